"""The shapes of templates."""

from typing import Any

from rest_framework import serializers

from api.http.fields import LabelsField, ObjectField, PriorityField
from api.http.shapes import StrictSerializer, Text, Whole
from api.v1.shapes.dependencies import NeedsField, OnDependencyFailureField
from jobs.models import JobTemplate
from jobs.models.template import template_name_validator

MOST_SECONDS = 10 * 365 * 86_400


class RunTimeIn(StrictSerializer):
    """Seconds that a run takes: `base`, and so many more with each unit of a parameter that is a number."""

    base = serializers.FloatField(min_value=0, max_value=MOST_SECONDS, required=False)
    each = serializers.DictField(child=serializers.FloatField(min_value=0, max_value=MOST_SECONDS), required=False)


class JobTermsOfSubmitter(serializers.Serializer[Any]):
    """For the description of the interface: as `POST /jobs` has them."""

    project = serializers.CharField(required=False)
    name = serializers.CharField(required=False)
    queue = serializers.CharField(required=False)
    priority = PriorityField(required=False)
    labels = LabelsField(required=False)
    depends_on = NeedsField(required=False)
    on_dependency_failure = OnDependencyFailureField(required=False)
    begin_at = serializers.DateTimeField(required=False, allow_null=True)
    deadline = serializers.DateTimeField(required=False, allow_null=True)
    submission_key = serializers.CharField(required=False)
    reason = serializers.CharField(required=False)


class TemplateIn(StrictSerializer):
    name = serializers.CharField(max_length=40, validators=[template_name_validator])
    project = Text(63, required=False, allow_null=True, help_text="Whose it is; null: everybody's, by staff.")
    description = Text(500, required=False, allow_blank=True)
    parameters = ObjectField(
        required=False,
        help_text='By name: {"type": "text" | "integer" | "number" | "flag", "default", "least", "most", "choices", "help"}.',
    )
    job = ObjectField(help_text="As POST /jobs takes it, without project; `{name}` in a string stands for a parameter.")
    estimated_runtime = RunTimeIn(required=False, allow_null=True)


class TemplateOut(serializers.ModelSerializer[JobTemplate]):
    project = serializers.CharField(source="project.slug", default=None, allow_null=True)
    parameters = ObjectField()
    job = ObjectField()
    estimated_runtime = RunTimeIn(allow_null=True)

    class Meta:
        model = JobTemplate
        fields = ("name", "version", "project", "description", "parameters", "job", "estimated_runtime",
                  "created_by", "created_at")  # fmt: skip


class VersionIn(StrictSerializer):
    version = Whole(2**31 - 1, least=1, required=False, help_text="Default: the latest.")


class FromTemplateIn(JobTermsOfSubmitter):
    """What is said of a job that comes of a template; a project where the template has none."""

    parameters = ObjectField(required=False)
    version = Whole(2**31 - 1, least=1, required=False, help_text="Default: the latest.")


def read_order(data: Any) -> tuple[int | None, dict[str, Any]]:
    """The version, and all else as it was said: it is judged as part of the job that comes of it."""
    if not isinstance(data, dict):
        raise serializers.ValidationError({"non_field_errors": ["Must be an object, with its fields by name."]})
    version = VersionIn.read({"version": data["version"]} if "version" in data else {}).get("version")
    return version, {name: value for name, value in data.items() if name != "version"}
