"""Outputs of other jobs that a job begins with, as JSON."""

from typing import Any

from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text, Whole
from jobs.submission import limits
from jobs.submission.job_spec import Input

FORM = '{"job": 17, "path": "model.pt", "to": "start/model.pt"}'


class InputIn(StrictSerializer):
    """A file or folder that another job leaves."""

    job = Whole(2**63 - 1, least=1, help_text="The number of the job that leaves it.")
    path = Text(
        limits.PATH, required=False, allow_blank=True, help_text="A file or folder of its outputs. Empty: all of them."
    )
    to = Text(
        limits.PATH, required=False, allow_blank=True,
        help_text="Where it lies below TRAINYARD_INPUT_DIR. Empty: by its own name; all outputs: by the job's number.",
    )  # fmt: skip

    def to_internal_value(self, data: Any) -> Any:
        known = super().to_internal_value(data)
        return Input(known["job"], known.get("path", "").rstrip("/"), known.get("to", "").rstrip("/"))


class InputOut(serializers.Serializer[Any]):
    """The same, of a job that there is."""

    job = serializers.IntegerField()
    path = serializers.CharField(help_text="Empty: all of its outputs.")
    to = serializers.CharField(help_text="Where it lies below TRAINYARD_INPUT_DIR.")
