"""Secrets over REST: values go in, names come out."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.v1.secrets.shapes import SecretIn, SecretOut
from quotas.models import Secret
from quotas.queries import find_project
from quotas.secrets import setting
from quotas.secrets.setting import Holder

ORDERINGS = {"name": "name", "-name": "-name", "-set_at": "-set_at"}


def of_project(request: Request, slug: str) -> Holder:
    return Holder(project=find_project(caller(request), slug))


def own(request: Request) -> Holder:
    return Holder(user=caller(request))


def written(request: Request, holder: Holder, name: str) -> Response:
    value = SecretIn.read(request.data)["value"]
    secret, new = setting.set_secret(holder, caller(request), name, value)
    return Response(SecretOut(secret).data, status=201 if new else 200)


class SecretsList(GenericAPIView[Secret]):
    queryset = Secret.objects.none()
    serializer_class = SecretOut
    orderings = ORDERINGS

    def listed(self, secrets: QuerySet[Secret]) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(secrets))
        return self.get_paginated_response(SecretOut(page, many=True).data)


class ProjectSecretsView(SecretsList):
    @extend_schema(operation_id="secrets_list", responses=SecretOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Which secrets a project has itself, for its members; no values. Those of the projects above it serve its jobs, too."""
        return self.listed(setting.secrets_of(of_project(request, slug), caller(request)))


class ProjectSecretView(APIView):
    @extend_schema(operation_id="secrets_retrieve", responses=SecretOut)
    def get(self, request: Request, slug: str, name: str) -> Response:
        """Who wrote a secret of a project, and when it was used; not its value."""
        return Response(SecretOut(setting.find_secret(of_project(request, slug), caller(request), name)).data)

    @extend_schema(operation_id="secrets_set", request=SecretIn, responses={201: SecretOut, 200: SecretOut})
    def put(self, request: Request, slug: str, name: str) -> Response:
        """Write a secret of a project, as an admin of it; over the value before, if there is one. Members name it in jobs."""
        return written(request, of_project(request, slug), name)

    @extend_schema(operation_id="secrets_delete", responses={204: None})
    def delete(self, request: Request, slug: str, name: str) -> Response:
        """Take a secret back, as an admin of the project: jobs that name it and have not begun wait. What runs keeps it."""
        setting.delete_secret(of_project(request, slug), caller(request), name)
        return Response(status=204)


class OwnSecretsView(SecretsList):
    @extend_schema(operation_id="own_secrets_list", responses=SecretOut(many=True))
    def get(self, request: Request) -> Response:
        """Your own secrets, without values. In your jobs they go before secrets of projects that have the same name."""
        return self.listed(setting.secrets_of(own(request), caller(request)))


class OwnSecretView(APIView):
    @extend_schema(operation_id="own_secrets_retrieve", responses=SecretOut)
    def get(self, request: Request, name: str) -> Response:
        """When you wrote a secret of yours, and when it was used; not its value."""
        return Response(SecretOut(setting.find_secret(own(request), caller(request), name)).data)

    @extend_schema(operation_id="own_secrets_set", request=SecretIn, responses={201: SecretOut, 200: SecretOut})
    def put(self, request: Request, name: str) -> Response:
        """Write a secret of yours, for your jobs alone."""
        return written(request, own(request), name)

    @extend_schema(operation_id="own_secrets_delete", responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Take back a secret of yours: your jobs that name it and have not begun wait. What runs keeps it."""
        setting.delete_secret(own(request), caller(request), name)
        return Response(status=204)
