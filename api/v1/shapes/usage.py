"""Reports of usage, in and out."""

from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.fields import MomentField
from api.http.shapes import StrictSerializer, Text, Whole
from api.v1.shapes.costs import MONEY
from jobs.usage.report import GROUPS, LABEL
from scheduling.sharing.periods import Period

MOST_ROWS = 10_000
LONGEST_ZONE = 64


@extend_schema_field({"type": "string"})
class ZoneField(serializers.Field[Any, Any, Any, Any]):
    """A place of the IANA time zone database."""

    def to_internal_value(self, data: Any) -> ZoneInfo:
        try:
            return ZoneInfo(data if isinstance(data, str) and len(data) <= LONGEST_ZONE else "")
        except (KeyError, ValueError, OSError):  # there is none, no name of one, the folder of some
            raise serializers.ValidationError("There is no such time zone. For example UTC or Europe/Berlin.") from None

    def to_representation(self, value: Any) -> str:
        return str(value)


class GroupField(Text):
    """One of `GROUPS`, or a label."""

    def __init__(self, **options: Any) -> None:
        super().__init__(63 + len(LABEL), **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        group = super().run_validation(data)
        if group not in GROUPS and not (group.startswith(LABEL) and group != LABEL):
            raise serializers.ValidationError(
                f"Must be one of {', '.join(GROUPS)}, or {LABEL}NAME for a label's values."
            )
        return group


class LabelField(Text):
    """`NAME=VALUE`."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        name, given, value = super().run_validation(data).partition("=")
        if not name or not given:
            raise serializers.ValidationError("Must be NAME=VALUE.")
        return {name: value}


class UsageScopeQuery(StrictSerializer):
    """Of what time, and whose."""

    since = MomentField(
        required=False,
        help_text="From when on. Default: the beginning of this month there; of this week, for fairness.",
    )
    until = MomentField(required=False, help_text="Until just before then. Default: now.")
    time_zone = ZoneField(
        required=False, help_text="Whose hours, days, weeks and months, as Europe/Berlin. Default: UTC."
    )
    project = Text(63, required=False, help_text="A project's slug: it, and everything below it.")
    user = Text(150, required=False, help_text="Of this user's jobs alone.")


class UsageQuery(UsageScopeQuery):
    group_by = GroupField(
        default="project", help_text=f"By what: {', '.join(GROUPS)}, or {LABEL}NAME for the values of a label."
    )
    period = serializers.ChoiceField(
        [one.value for one in Period],
        required=False,
        help_text="A row for each of them. Default: one for all of the time.",
    )
    queue = Text(40, required=False, help_text="In this queue alone.")
    hardware = Text(300, required=False, help_text="On GPUs of this model alone, by its whole name; cpu: on none.")
    node = Text(63, required=False, help_text="On this node alone.")
    label = LabelField(320, required=False, help_text="NAME=VALUE: of jobs with this label alone.")  # type: ignore[assignment]  # a field's own name for people
    limit = Whole(MOST_ROWS, least=1, default=1_000, help_text="At most so many rows.")


class HoursOut(serializers.Serializer[Any]):
    """What was used, in hours that were held. What is known only at the end of an attempt is in the period of its end."""

    gpu_hours = serializers.FloatField()
    cpu_hours = serializers.FloatField()
    cost = serializers.DecimalField(**MONEY, help_text="What was settled, less refunds, as placements ended.")
    attempts = serializers.IntegerField(help_text="How many ended.")
    starts = serializers.IntegerField(help_text="How many began to run.")
    wait_median_seconds = serializers.FloatField(
        allow_null=True, help_text="Of those that began: from eligible to running."
    )
    wait_p95_seconds = serializers.FloatField(allow_null=True, help_text="95 of 100 waited no longer.")
    gpu_utilisation = serializers.FloatField(
        allow_null=True, help_text="Of attempts that ended, from 0 to 1; null: not measured."
    )
    cpu_utilisation = serializers.FloatField(allow_null=True, help_text="The same of their CPUs.")
    idle_gpu_hours = serializers.FloatField(
        allow_null=True, help_text="Held, measured and without work; null: not measured."
    )
    failed_gpu_hours_owner = serializers.FloatField(help_text="Of attempts that failed by the job's own fault.")
    failed_cpu_hours_owner = serializers.FloatField(help_text="Of attempts that failed by the job's own fault.")
    failed_gpu_hours_platform = serializers.FloatField(help_text="Of attempts that the platform failed.")
    failed_cpu_hours_platform = serializers.FloatField(help_text="Of attempts that the platform failed.")
    preempted_gpu_hours = serializers.FloatField(help_text="Of attempts that gave way.")
    preempted_cpu_hours = serializers.FloatField(help_text="Of attempts that gave way.")
    lost_gpu_hours = serializers.FloatField(help_text="Of those, work that had to be done again.")
    lost_cpu_hours = serializers.FloatField(help_text="Of those, work that had to be done again.")
    energy_kwh = serializers.FloatField(
        allow_null=True, help_text="Of attempts that ended, as far as it was measured; null: none of it was."
    )
    gpu_energy_kwh = serializers.FloatField(allow_null=True, help_text="Of it, that of their GPUs.")
    cpu_energy_kwh = serializers.FloatField(allow_null=True, help_text="Of it, their part of their nodes' processors'.")
    idle_held_gpu_hours = serializers.FloatField(
        allow_null=True, help_text="Held, and the GPU worked less than 5 % of the time; null: not measured."
    )
    freed_gpu_hours = serializers.FloatField(
        help_text="Of attempts that were requeued or stopped as their GPUs idled: what they would have held still, estimated."
    )


class UsageRowOut(HoursOut):
    key = serializers.CharField(help_text="The project, user, queue, hardware, node or value; empty: none.")
    period = serializers.CharField(
        allow_null=True, help_text="As 2030-05-01T13:00+02:00, 2030-05-01, 2030-W18, 2030-05."
    )
    period_start = serializers.DateTimeField(help_text="When it begins, or since where that is later.")


class UsageReportOut(serializers.Serializer[Any]):
    currency = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    time_zone = serializers.CharField()
    group_by = serializers.CharField()
    period = serializers.CharField(allow_null=True)
    rows = UsageRowOut(many=True, help_text="By period, and in each by who held most.")
    left_off = serializers.IntegerField(help_text="How many more rows there are.")
    total = HoursOut(help_text="All together. Rows of projects overlap: each has in it what lies below.")
    rolled_up_until = serializers.DateTimeField(
        allow_null=True, help_text="Hours before then are on record; what came later is worked out each time."
    )
