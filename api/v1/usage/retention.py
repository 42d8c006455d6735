"""For how long a project's jobs, and what they leave, are kept after their end."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.http.shapes import StrictSerializer, Whole
from api.v1.shapes.projects import MOST_DAYS
from jobs.control.job_retention import output_rules, remove_rule, rules, set_output_rule, set_rule
from quotas.models import Project
from quotas.queries import find_project
from scheduling.errors import FieldError, InvalidError


class RetentionIn(StrictSerializer):
    job_days = Whole(
        MOST_DAYS, least=1, allow_null=True, required=False,
        help_text="So long after their end jobs are deleted, with all that is theirs; null: never.",
    )  # fmt: skip
    output_days = Whole(
        MOST_DAYS, least=1, allow_null=True, required=False,
        help_text="So long after their end what jobs have left is kept; null: as long as the jobs.",
    )  # fmt: skip


class RetentionOut(serializers.Serializer[Any]):
    project = serializers.CharField()
    job_days = serializers.IntegerField(allow_null=True, help_text="What holds for it; null: jobs are kept for ever.")
    from_project = serializers.CharField(
        allow_null=True, help_text="Whose rule that is: its own, or of one above; null: the platform's."
    )
    output_days = serializers.IntegerField(
        allow_null=True, help_text="Of what jobs have left; null: that is kept as long as the job."
    )
    outputs_from_project = serializers.CharField(allow_null=True, help_text="Likewise, of `output_days`.")


class RetentionView(APIView):
    @extend_schema(operation_id="retention_retrieve", responses=RetentionOut)
    def get(self, request: Request, slug: str) -> Response:
        """For how long the project's jobs are kept after their end."""
        return self._answer(find_project(caller(request), slug))

    @extend_schema(operation_id="retention_set", request=RetentionIn, responses=RetentionOut)
    def patch(self, request: Request, slug: str) -> Response:
        """Set it for the project and what lies below it, by its administrators. What jobs used and cost stays on record."""
        project = find_project(caller(request), slug)
        wanted = RetentionIn.read(request.data)
        if not wanted:
            raise InvalidError([FieldError("job_days", "Say job_days, output_days, or both.", "required")])
        if "job_days" in wanted:
            set_rule(project, wanted["job_days"], caller(request))
        if "output_days" in wanted:
            set_output_rule(project, wanted["output_days"], caller(request))
        return self._answer(project)

    @extend_schema(operation_id="retention_remove", request=None, responses=RetentionOut)
    def delete(self, request: Request, slug: str) -> Response:
        """Have it as the project above has it, by its administrators."""
        project = find_project(caller(request), slug)
        remove_rule(project, caller(request))
        return self._answer(project)

    def _answer(self, project: Project) -> Response:
        jobs, outputs = rules()[project.pk], output_rules()[project.pk]
        names = dict(
            Project.objects.filter(pk__in=[of for of in (jobs.of, outputs.of) if of]).values_list("pk", "slug")
        )
        told = {
            "project": project.slug, "job_days": jobs.days, "from_project": names.get(jobs.of or 0),
            "output_days": outputs.days, "outputs_from_project": names.get(outputs.of or 0),
        }  # fmt: skip
        return Response(RetentionOut(told).data)
