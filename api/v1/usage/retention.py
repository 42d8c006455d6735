"""For how long a project's jobs are kept after their end."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.http.shapes import StrictSerializer, Whole
from api.v1.shapes.projects import MOST_DAYS
from jobs.control.job_retention import remove_rule, rules, set_rule
from quotas.models import Project
from quotas.queries import find_project


class RetentionIn(StrictSerializer):
    job_days = Whole(
        MOST_DAYS, least=1, allow_null=True,
        help_text="So long after their end jobs are deleted, with all that is theirs; null: never.",
    )  # fmt: skip


class RetentionOut(serializers.Serializer[Any]):
    project = serializers.CharField()
    job_days = serializers.IntegerField(allow_null=True, help_text="What holds for it; null: jobs are kept for ever.")
    from_project = serializers.CharField(
        allow_null=True, help_text="Whose rule that is: its own, or of one above; null: the platform's."
    )


class RetentionView(APIView):
    @extend_schema(operation_id="retention_retrieve", responses=RetentionOut)
    def get(self, request: Request, slug: str) -> Response:
        """For how long the project's jobs are kept after their end."""
        return self._answer(find_project(caller(request), slug))

    @extend_schema(operation_id="retention_set", request=RetentionIn, responses=RetentionOut)
    def patch(self, request: Request, slug: str) -> Response:
        """Set it for the project and what lies below it, by its administrators. What jobs used and cost stays on record."""
        project = find_project(caller(request), slug)
        set_rule(project, RetentionIn.read(request.data)["job_days"], caller(request))
        return self._answer(project)

    @extend_schema(operation_id="retention_remove", request=None, responses=RetentionOut)
    def delete(self, request: Request, slug: str) -> Response:
        """Have it as the project above has it, by its administrators."""
        project = find_project(caller(request), slug)
        remove_rule(project, caller(request))
        return self._answer(project)

    def _answer(self, project: Project) -> Response:
        rule = rules()[project.pk]
        of = Project.objects.get(pk=rule.of).slug if rule.of else None
        return Response(RetentionOut({"project": project.slug, "job_days": rule.days, "from_project": of}).data)
