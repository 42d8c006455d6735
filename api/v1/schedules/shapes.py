"""A schedule as JSON, in and out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.fields import MomentField, ObjectField
from api.http.shapes import StrictSerializer, Text
from api.v1.shapes.jobs import JobIn, spec_of
from jobs.models import JobSchedule
from jobs.models.template import template_name_validator
from jobs.schedules.schedules import Order, upcoming
from quotas.access import Role

UPCOMING = 3


class ScheduleTerms(StrictSerializer):
    cron = Text(100, help_text="Minute, hour, day, month, weekday: 30 2 * * MON-FRI.")
    time_zone = Text(
        64, required=False, help_text="In which the cron line is meant, such as Europe/Berlin. Default: UTC."
    )
    overlap = serializers.ChoiceField(
        JobSchedule.Overlap.values, required=False,
        help_text="While its last job has not ended: submit none (skip, the default), another one (allow), or another one and cancel the last (replace).",
    )  # fmt: skip
    missed = serializers.ChoiceField(
        JobSchedule.Missed.values, required=False,
        help_text="Of moments at which nobody was there: one job for all of them (once, the default), or none (skip).",
    )  # fmt: skip
    paused = serializers.BooleanField(
        required=False, help_text="Nothing is submitted; what comes meanwhile is not made up for."
    )
    ends_at = MomentField(required=False, allow_null=True, help_text="None comes after this; null: no end.")


class ScheduleIn(ScheduleTerms):
    name = serializers.CharField(max_length=40, validators=[template_name_validator], help_text="Once in a project.")
    job = ObjectField(help_text="As POST /jobs takes it, without depends_on, deadline, begin_at and submission_key.")


class ScheduleChange(ScheduleTerms):
    cron = Text(100, required=False, help_text="Minute, hour, day, month, weekday: 30 2 * * MON-FRI.")
    job = ObjectField(required=False, help_text="Another job, as POST /jobs takes it; all of it.")


class ScheduleOut(serializers.Serializer[JobSchedule]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    project = serializers.CharField(source="project.slug")
    owner = serializers.CharField(source="owner.username")
    job = ObjectField(help_text="What is submitted, as it was given; values of its environment are its owner's.")
    cron = serializers.CharField(help_text="Minute, hour, day, month, weekday.")
    time_zone = serializers.CharField(help_text="In which the cron line is meant.")
    overlap = serializers.CharField(help_text="What comes while its last job has not ended: skip, allow or replace.")
    missed = serializers.CharField(help_text="What comes of moments at which nobody was there: once or skip.")
    paused = serializers.BooleanField(help_text="Nothing is submitted.")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="None comes after this.")
    last_at = serializers.DateTimeField(allow_null=True, help_text="Its last moment.")
    last_job = serializers.IntegerField(allow_null=True, help_text="The last job that was submitted.")
    outcome = serializers.CharField(help_text="What came of its last moment, in a sentence.")
    upcoming = serializers.SerializerMethodField(help_text="The next three moments.")
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_upcoming(self, schedule: JobSchedule) -> Any:
        return upcoming(schedule, UPCOMING, self.context["now"])


def order_of(given: Mapping[str, Any]) -> Order:
    """Raises ValidationError, by field, for what is no job."""
    try:
        return Order(given, spec_of(JobIn.read(given)))
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"job": error.detail}) from None


def shown(schedule: JobSchedule, user: User, roles: Mapping[int, str], now: datetime) -> Any:
    """Values of the environment are for its owner and administrators of its project, as with jobs."""
    row = dict(ScheduleOut(schedule, context={"now": now}).data)
    if schedule.owner_id != user.pk and not user.is_staff and roles.get(schedule.project_id) != Role.ADMIN:
        row["job"] = {name: dict.fromkeys(value) if name == "env" else value for name, value in row["job"].items()}
    return row
