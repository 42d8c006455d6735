"""The workload of a batch: by its name, or with all that a new one has."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text, Whole
from jobs.models import workload_name_validator
from jobs.submission.workloads import WorkloadTerms

MOST_RUNNING = 1_000_000


class WorkloadNameField(serializers.CharField):
    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=63, validators=[workload_name_validator], **more)


class TermsIn(StrictSerializer):
    name = WorkloadNameField()
    description = Text(200, required=False, allow_blank=True)
    max_running = Whole(MOST_RUNNING, least=1, required=False)
    stop_on_failure = serializers.BooleanField(required=False)
    held = serializers.BooleanField(required=False)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "description": {"type": "string"},
                    "max_running": {"type": "integer", "minimum": 1},
                    "stop_on_failure": {"type": "boolean"},
                    "held": {"type": "boolean"},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        ]
    }
)
class WorkloadField(serializers.Field[Any, Any, Any, Any]):
    def to_internal_value(self, data: Any) -> WorkloadTerms:
        return WorkloadTerms(**TermsIn.read({"name": data} if isinstance(data, str) else data))

    def to_representation(self, value: Any) -> Any:
        return value
