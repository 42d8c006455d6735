"""What is asked of many jobs, and what became of it, as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text, Whole
from api.v1.shapes.changes import WHY_CHANGED, ChangedTerms
from api.v1.shapes.jobs import CancelIn, HoldIn, PauseIn, RequeueIn
from jobs.control.bulk import BulkResult
from jobs.submission import limits

REFUSALS_SHOWN = 100
JOBS_SHOWN = 10_000
BESIDE = ("ids", "filter", "all", "dry_run", "reason")
"""What of a change says which jobs and why, and not what."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class ConditionsField(serializers.Field[Any, Any, Any, Any]):
    """The filters of the list of jobs, by name; several values as a list."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(
                'Must be an object, for example {"queue": "batch", "state": ["pending"]}.'
            )
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class ChosenIn(StrictSerializer):
    """Which jobs: `ids`, or a `filter`, or `all` that one may change."""

    ids = serializers.ListField(
        child=Whole(2**63 - 1, least=1), required=False, allow_empty=False, max_length=limits.BATCH
    )
    filter = ConditionsField(
        required=False,
        help_text="As for the list of jobs. Without a state it means the jobs of which this can be asked.",
    )
    all = serializers.BooleanField(required=False, help_text="All of them are meant: no filter is needed.")
    dry_run = serializers.BooleanField(required=False, help_text="Only say what would become of it.")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        values = super().run_validation(data)
        if "ids" in values and ("filter" in values or values.get("all")):
            raise serializers.ValidationError({"ids": ["Give either ids or a filter."]})
        if "ids" not in values and not values.get("filter") and not values.get("all"):
            words = (
                'Say which jobs: ids, or a filter, for example {"filter": {"queue": "batch"}}; "all": true means all.'
            )
            raise serializers.ValidationError({"filter": [words]})
        return values


class CancelManyIn(ChosenIn, CancelIn):
    """Why they are not wanted any more."""


class RequeueManyIn(ChosenIn, RequeueIn):
    """Why they are to run again."""


class PauseManyIn(ChosenIn, PauseIn):
    """How they are to rest."""


class HoldManyIn(ChosenIn, HoldIn):
    """Why they are held."""


class ChangeManyIn(ChosenIn, ChangedTerms):
    """What is to be different: at least one of these; labels are written whole."""

    reason = Text(200, required=False, allow_blank=True, help_text=WHY_CHANGED)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        values = super().run_validation(data)
        if not values.keys() - set(BESIDE):
            names = ", ".join(ChangedTerms().fields)
            raise serializers.ValidationError({"priority": [f"Say what to change, at least one of: {names}."]})
        return values


class RefusalOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    reason = serializers.CharField()


class OutcomeOut(serializers.Serializer[Any]):
    """Of `matched` jobs some `changed`; for `unchanged` ones it was so, or under way, already; `refused` ones say why."""

    matched = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    refused = serializers.IntegerField()
    refusals = RefusalOut(many=True, help_text=f"The first {REFUSALS_SHOWN}.")
    jobs = serializers.ListField(
        child=serializers.IntegerField(), help_text=f"Those that changed, or would change; the first {JOBS_SHOWN}."
    )
    newest = serializers.IntegerField(
        allow_null=True,
        help_text="The highest id of a matched job: as `id_max` it keeps later ones out of the next call.",
    )
    dry_run = serializers.BooleanField()


def shown(outcome: BulkResult, *, dry_run: bool) -> dict[str, Any]:
    refusals = sorted(outcome.refusals.items())
    return {
        "matched": outcome.matched,
        "changed": len(outcome.changed),
        "unchanged": outcome.unchanged,
        "refused": len(refusals),
        "refusals": [{"job": pk, "reason": reason} for pk, reason in refusals[:REFUSALS_SHOWN]],
        "jobs": list(outcome.changed[:JOBS_SHOWN]),
        "newest": outcome.newest,
        "dry_run": dry_run,
    }
