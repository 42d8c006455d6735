"""For how long a project's jobs, and what they leave, are kept after their end; and how much of that."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import GigabytesField
from api.http.permissions import caller
from api.http.shapes import StrictSerializer, Whole
from api.v1.shapes.projects import MOST_DAYS
from api.v1.shapes.quotas import MOST_GB
from jobs.control.job_retention import output_rules, remove_rule, rules, set_output_rule, set_rule
from jobs.outputs.project_limits import rounded_gb, set_limit, standing_of
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
    output_gb = GigabytesField(
        MOST_GB, allow_null=True, required=False,
        help_text="So much of what jobs have left is kept in all, here and below: the oldest that nobody keeps go for newer. "
        "Null: as those above, or else the platform, have it.",
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
    output_gb = serializers.FloatField(
        allow_null=True, help_text="The most that is kept of what jobs have left, where it is tightest; null: no limit."
    )
    output_gb_from_project = serializers.CharField(
        allow_null=True, help_text="Whose limit that is; it holds for all below."
    )
    outputs_kept_gb = serializers.FloatField(help_text="What is kept of what jobs have left, here and below.")


class RetentionView(APIView):
    @extend_schema(operation_id="retention_retrieve", responses=RetentionOut)
    def get(self, request: Request, slug: str) -> Response:
        """For how long the project's jobs are kept after their end."""
        return self._answer(find_project(caller(request), slug))

    @extend_schema(operation_id="retention_set", request=RetentionIn, responses=RetentionOut)
    @transaction.atomic
    def patch(self, request: Request, slug: str) -> Response:
        """Set it for the project and what lies below it, by its administrators. What jobs used and cost stays on record.

        `output_gb` they set to what the nearest project above has or less; more, or where none above has any, is said by
        staff and administrators of a project above.
        """
        project = find_project(caller(request), slug)
        wanted = RetentionIn.read(request.data)
        if not wanted:
            raise InvalidError([FieldError("job_days", "Say job_days, output_days or output_gb.", "required")])
        if "job_days" in wanted:
            set_rule(project, wanted["job_days"], caller(request))
        if "output_days" in wanted:
            set_output_rule(project, wanted["output_days"], caller(request))
        if "output_gb" in wanted:
            set_limit(project, wanted["output_gb"], caller(request))
        return self._answer(project)

    @extend_schema(operation_id="retention_remove", request=None, responses=RetentionOut)
    def delete(self, request: Request, slug: str) -> Response:
        """Have it as the project above has it, by its administrators; a limit of what is kept stays."""
        project = find_project(caller(request), slug)
        remove_rule(project, caller(request))
        return self._answer(project)

    def _answer(self, project: Project) -> Response:
        standing = standing_of(project.pk)
        level = standing.tightest
        jobs, outputs = rules()[project.pk], output_rules()[project.pk]
        names = dict(
            Project.objects.filter(pk__in=[of for of in (jobs.of, outputs.of) if of]).values_list("pk", "slug")
        )
        told = {
            "project": project.slug, "job_days": jobs.days, "from_project": names.get(jobs.of or 0),
            "output_days": outputs.days, "outputs_from_project": names.get(outputs.of or 0),
            "output_gb": level and level.most_gb, "output_gb_from_project": level and level.slug,
            "outputs_kept_gb": rounded_gb(standing.used),
        }  # fmt: skip
        return Response(RetentionOut(told).data)
