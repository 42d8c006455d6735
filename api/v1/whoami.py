"""Who is asking, as the platform knows them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.v1.tokens import TokenOut, caps_by_digest, described
from quotas.access import project_roles
from quotas.models import Membership, Project


class RoleOut(serializers.Serializer[Any]):
    project = serializers.CharField(help_text="The project's slug.")
    role = serializers.ChoiceField(Membership.Role.choices, help_text="The strongest, of the project or one above it.")


class WhoAmIOut(serializers.Serializer[Any]):
    user = serializers.CharField(help_text="The user's name.")
    staff = serializers.BooleanField(help_text="Operators: they are admins of every project.")
    projects = RoleOut(many=True, help_text="Where one may look, submit or manage.")
    token = TokenOut(allow_null=True, help_text="The token of this request; null for a browser's session.")


class WhoAmIView(APIView):
    @extend_schema(operation_id="whoami", responses=WhoAmIOut)
    def get(self, request: Request) -> Response:
        """Who you are here, your projects with your role in each, and how long your token lasts."""
        user = caller(request)
        roles = project_roles(user)
        slugs = Project.objects.filter(pk__in=roles).order_by("slug").values_list("pk", "slug")
        token = None
        if isinstance(request.auth, AuthToken):
            digest = request.auth.digest
            token = described(request.auth, request, caps_by_digest([digest]).get(digest))
        projects = [{"project": slug, "role": roles[pk]} for pk, slug in slugs]
        answer = {"user": user.username, "staff": user.is_staff, "projects": projects, "token": token}
        return Response(WhoAmIOut(answer).data)
