"""A queue as JSON."""

from typing import Any

from rest_framework import serializers

from api.http.fields import GigabytesField
from api.http.shapes import StrictSerializer, Text, Whole
from jobs.models import Queue, queue_name_validator
from jobs.submission import limits
from scheduling.errors import InvalidError
from scheduling.placement.weights import weights_from
from scheduling.policies import policy
from scheduling.priorities import HIGHEST

RANKS = 1_000_000


class WeightsIn(StrictSerializer):
    """What is not named counts as usual."""

    price = serializers.FloatField(required=False, help_text="Usually 0.5.")
    speed = serializers.FloatField(required=False, help_text="Usually 1.")
    fit = serializers.FloatField(required=False, help_text="Usually 0.25.")
    reliability = serializers.FloatField(required=False, help_text="Usually 1.")
    latency = serializers.FloatField(required=False, help_text="Usually 0.5.")

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        try:
            weights_from(wanted)
        except InvalidError as error:
            told = {one.field.rpartition(".")[2]: one.message for one in error.errors}
            raise serializers.ValidationError(told.pop("placement_weights", None) or told) from None
        return wanted


class QueueChange(StrictSerializer):
    rank = Whole(RANKS, least=-RANKS, required=False, help_text="Higher goes first.")
    policy = Text(40, required=False, allow_blank=True, help_text="Empty: the platform's SCHEDULING_POLICY.")
    state = serializers.ChoiceField(Queue.State.choices, required=False)
    max_running = Whole(2**31 - 1, required=False, allow_null=True, help_text="Jobs at once; null: no limit.")
    executor = Text(
        40,
        required=False,
        allow_blank=True,
        help_text="Who runs its jobs that name nobody: agent, any, kubernetes, slurm, or a cluster. Empty: agents.",
    )
    description = Text(200, required=False, allow_blank=True)
    max_runtime_seconds = Whole(limits.SECONDS, least=1, required=False, allow_null=True, help_text="Of a job.")
    default_runtime_seconds = Whole(
        limits.SECONDS,
        least=1,
        required=False,
        allow_null=True,
        help_text="Of a job that names none; null: the longest.",
    )
    max_gpus = Whole(2**31 - 1, required=False, allow_null=True, help_text="Of a job, on all its nodes together.")
    max_cpus = Whole(2**31 - 1, required=False, allow_null=True, help_text="Of a job, on all its nodes together.")
    max_memory_gb = GigabytesField(
        10**9, required=False, allow_null=True, help_text="Of a job, on all its nodes together."
    )
    max_nodes = Whole(limits.NODES, required=False, allow_null=True, help_text="Of a job.")
    max_waiting_per_user = Whole(2**31 - 1, required=False, allow_null=True, help_text="Waiting jobs of one user.")
    max_running_per_user = Whole(
        2**31 - 1, required=False, allow_null=True, help_text="Jobs of one user at once; null: no limit."
    )
    max_gpus_per_user = Whole(
        2**31 - 1, required=False, allow_null=True, help_text="Of one user's jobs together, at once; null: no limit."
    )
    max_priority_member = Whole(
        HIGHEST, required=False, allow_null=True, help_text="The highest that a member may use."
    )
    max_priority_admin = Whole(HIGHEST, required=False, allow_null=True, help_text="The highest that an admin may use.")
    allowed_projects = serializers.ListField(
        child=Text(63),
        max_length=1_000,
        required=False,
        help_text="Slugs: these and all below them; empty: all projects.",
    )
    placement_weights = WeightsIn(
        required=False,
        help_text="How much each criterion counts where nodes are scored, 0 to 1,000; what is not named as usual.",
    )

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        longest, usual = wanted.get("max_runtime_seconds"), wanted.get("default_runtime_seconds")
        if longest is not None and usual is not None and usual > longest:
            words = "Must be at most max_runtime_seconds."
            raise serializers.ValidationError({"default_runtime_seconds": words})
        return wanted

    def validate_policy(self, name: str) -> str:
        try:
            return policy(name).name if name else name
        except InvalidError as error:
            raise serializers.ValidationError(error.errors[0].message) from None


class QueueIn(QueueChange):
    name = serializers.CharField(max_length=40, validators=[queue_name_validator])


def columns(wanted: dict[str, Any]) -> dict[str, Any]:
    """By the names of the row; the field has read memory to MB."""
    return {("max_memory_mb" if name == "max_memory_gb" else name): value for name, value in wanted.items()}
