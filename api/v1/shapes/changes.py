"""What is to be different in a job that exists, or in a new one like it, as JSON."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from api.http.fields import CommandField, EnvChangesField
from api.http.shapes import Text
from api.v1.shapes.jobs import JobDefaults, JobTerms, ResourcesIn
from jobs.state import begin
from jobs.submission import limits


class ChangedTerms(JobTerms):
    """Terms that may be changed after submission, of one job or of many."""

    def validate_deadline(self, deadline: datetime | None) -> datetime | None:
        if deadline is not None and deadline <= timezone.now():
            raise serializers.ValidationError("Must lie in the future.", "past")
        return deadline

    def validate_begin_at(self, begin_at: datetime | None) -> datetime | None:
        for fault in begin.faults(begin_at, None, timezone.now()):
            raise serializers.ValidationError(fault.message, fault.code)
        return begin_at


WHY_CHANGED = "Why it is changed; stands in its history."
ENV_CHANGES = "Variables that are set, or with null taken away; the others stay."


class JobChange(ChangedTerms):
    """What may be changed after submission: name and labels always, the rest while the job waits.

    Of resources and env what is not named stays; labels and a command are written whole.
    """

    name = Text(limits.NAME, required=False)
    command = CommandField(required=False)
    working_dir = Text(limits.PATH, required=False, allow_blank=True)
    env = EnvChangesField(required=False, help_text=ENV_CHANGES)
    image = Text(limits.IMAGE, required=False, allow_blank=True)
    executor = Text(40, required=False, allow_blank=True)
    resources = ResourcesIn(required=False)
    reason = Text(200, required=False, allow_blank=True, help_text=WHY_CHANGED)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        values = super().run_validation(data)
        if values.keys() == {"reason"}:
            raise serializers.ValidationError({"reason": ["Says why, but not what is to be different."]})
        return values


class CloneIn(JobDefaults):
    """What is to be different in the new job."""

    env = EnvChangesField(required=False, help_text=ENV_CHANGES)
