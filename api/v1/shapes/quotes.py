"""What a quote is asked of, and what several runs would cost together. Amounts are decimals in strings."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from api.http.shapes import StrictSerializer, Whole
from api.v1.shapes.batches import BatchIn
from api.v1.shapes.budgets import AMOUNT
from api.v1.shapes.jobs import JobDefaults, JobIn
from jobs.submission import limits
from scheduling.sharing.prices import PLACES


class RunsIn(StrictSerializer):
    """How often, and for how much."""

    count = Whole(limits.BATCH, least=1, required=False, help_text="So many runs of each. Default: 1.")
    at_most = serializers.DecimalField(
        30, PLACES, min_value=Decimal(0), required=False, allow_null=True,
        help_text="Asks whether all of it costs no more than this, in the platform's currency.",
    )  # fmt: skip


class SeveralIn(BatchIn, RunsIn):
    """Several jobs that may be submitted together."""


class QuoteIn(JobDefaults, RunsIn):
    """One job with its project and its command, or several in `jobs`, with `defaults` as in a batch."""

    defaults = JobDefaults(required=False)
    jobs = JobIn(many=True, allow_empty=False, max_length=limits.BATCH, required=False)  # type: ignore[call-arg]  # likewise

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """With all its `jobs`, be it the one."""
        if isinstance(data, Mapping) and "jobs" not in data:
            runs = {name: value for name, value in data.items() if name in RunsIn().fields}
            one = {name: value for name, value in data.items() if name not in runs}
            return {**RunsIn.read(runs), "jobs": [JobIn.read(one)]}
        return SeveralIn.read(data)


class BudgetCheckOut(serializers.Serializer[Any]):
    """What the runs may use of a budget in its period that is now, if all began now and ran up to their limits."""

    id = serializers.IntegerField(source="report.budget.pk")
    project = serializers.CharField(source="report.budget.project.slug")
    unit = serializers.CharField(source="report.budget.unit")
    hard = serializers.BooleanField(source="report.budget.hard")
    available = serializers.DecimalField(**AMOUNT, source="report.available")
    needed = serializers.DecimalField(**AMOUNT)
    within = serializers.BooleanField()


class RunsOut(serializers.Serializer[Any]):
    """Costs of all runs together, as decimals in strings; null while nothing of them has a price."""

    runs = serializers.IntegerField()
    estimated_cost = serializers.DecimalField(**AMOUNT, allow_null=True, help_text="As long as was learned or said.")
    most_cost = serializers.DecimalField(
        **AMOUNT, allow_null=True, help_text="Up to their limits, where it costs most."
    )
    at_most = serializers.DecimalField(**AMOUNT, allow_null=True)
    within_at_most = serializers.BooleanField(allow_null=True, help_text="Even if all run up to their limits.")
    expected_within_at_most = serializers.BooleanField(allow_null=True)
    within_budgets = serializers.BooleanField(help_text="Within every budget above them.")
    stopped_by = BudgetCheckOut(
        allow_null=True, help_text="The nearest hard budget that would not pay for all of them now."
    )
    budgets = BudgetCheckOut(many=True)
