"""Templates: written by a project's admins or staff, used by everybody who may submit."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.authentication import caps_of
from api.http.permissions import caller
from api.v1.explain import QuoteOut, quoted
from api.v1.jobs import submitted_one
from api.v1.shapes.jobs import JobIn, JobOut
from api.v1.shapes.quotes import RunsIn
from api.v1.templates.shapes import FromTemplateIn, TemplateIn, TemplateOut, VersionIn, read_order
from jobs.models import JobTemplate
from jobs.submission import templates
from quotas.queries import find_project

AT_VERSION = OpenApiParameter("version", int, description="Default: the latest.")


def draft_of(request: Request) -> templates.Draft:
    """What was written; raises ValidationError, by field, where no job could ever come of it."""
    wanted = TemplateIn.read(request.data)
    slug = wanted.pop("project", None)
    draft = templates.Draft(
        name=wanted["name"],
        project=find_project(caller(request), slug) if slug else None,
        description=wanted.get("description", ""),
        parameters=wanted.get("parameters", {}),
        job=wanted["job"],
        estimated_runtime=wanted.get("estimated_runtime"),
    )
    try:
        JobIn.read({"project": slug or "any", **draft.sample()})
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"job": error.detail}) from None
    if "project" in draft.job:
        raise serializers.ValidationError(
            {"job": {"project": ["Is the template's own, or the submitter's: leave it out."]}}
        )
    return draft


def job_body(request: Request, name: str, data: Any) -> dict[str, Any]:
    version, said = read_order(data)
    return templates.job_of(templates.find(caller(request), name, version), said)


class TemplatesView(GenericAPIView[JobTemplate]):
    queryset = JobTemplate.objects.none()
    serializer_class = TemplateOut
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[JobTemplate]:
        return templates.visible(caller(self.request))

    @extend_schema(operation_id="templates_list", responses=TemplateOut(many=True))
    def get(self, request: Request) -> Response:
        """The templates that you may submit from, each in its latest version."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(TemplateOut(page, many=True).data)

    @extend_schema(operation_id="templates_write", request=TemplateIn, responses={201: TemplateOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Write a template, or its next version: a project's by its admins, everybody's by staff."""
        return Response(TemplateOut(templates.write(draft_of(request), caller(request))).data, status=201)


class TemplateView(APIView):
    @extend_schema(operation_id="templates_retrieve", parameters=[AT_VERSION], responses=TemplateOut)
    def get(self, request: Request, name: str) -> Response:
        """One template, in its latest version or another one."""
        asked = {"version": request.query_params["version"]} if "version" in request.query_params else {}
        return Response(TemplateOut(templates.find(caller(request), name, VersionIn.read(asked).get("version"))).data)

    @extend_schema(operation_id="templates_delete", request=None, responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Forget a template with all its versions; jobs that came of it stay."""
        templates.remove(caller(request), name)
        return Response(status=204)


class TemplateJobsView(APIView):
    @extend_schema(operation_id="templates_submit", request=FromTemplateIn, responses={201: JobOut, 200: JobOut})
    @transaction.atomic
    def post(self, request: Request, name: str) -> Response:
        """Submit a job that comes of the template; as with POST /jobs, a submission_key that the project has seen answers 200."""
        return submitted_one(request, JobIn.read(job_body(request, name, request.data)))


class FromTemplateQuoteIn(FromTemplateIn, RunsIn):
    """The same, how often, and for how much."""


class TemplateQuoteView(APIView):
    @extend_schema(operation_id="templates_quote", request=FromTemplateQuoteIn, responses=QuoteOut)
    def post(self, request: Request, name: str) -> Response:
        """What would become of such a job, and what it would cost; writes nothing."""
        data = request.data if isinstance(request.data, dict) else {}
        runs = {one: value for one, value in data.items() if one in RunsIn().fields}
        body = job_body(request, name, {one: value for one, value in data.items() if one not in runs})
        wanted = {**RunsIn.read(runs), "jobs": [JobIn.read(body)]}
        return Response(quoted(wanted, caller(request), caps_of(request)))
