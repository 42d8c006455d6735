"""Budgets, in and out. Amounts are decimals in strings, of money and of GPU-hours."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.fields import MomentField
from api.http.shapes import StrictSerializer, Text
from jobs.planning.budget_use.reports import BudgetReport
from quotas.budgets.rows import DIGITS
from scheduling.sharing.budget_use import BudgetWarning
from scheduling.sharing.budgets import Unit
from scheduling.sharing.periods import BUDGET_PERIODS
from scheduling.sharing.prices import PLACES

AMOUNT: Any = {"max_digits": 30, "decimal_places": PLACES}


class BudgetFields(StrictSerializer):
    currency = Text(3, required=False, allow_blank=True, help_text="If given, the platform's.")
    zone = Text(64, required=False, help_text="By whose calendar, as IANA names it: Europe/Berlin. Default: UTC.")
    starts_at = MomentField(required=False, allow_null=True, help_text="Of a budget that is there once; null: now.")
    ends_at = MomentField(required=False, allow_null=True, help_text="Of a budget that is there once: not in the past.")
    hard = serializers.BooleanField(
        required=False, help_text="Nothing starts that it could not pay for to its end. Default: it only warns."
    )
    webhook_url = Text(
        500, required=False, allow_blank=True, write_only=True, help_text="Where alerts are posted. Empty: nowhere."
    )
    webhook_secret = Text(
        200, required=False, allow_blank=True, write_only=True,
        help_text="Alerts are signed with it: `Trainyard-Signature`, an HMAC-SHA256. It is never shown.",
    )  # fmt: skip


class BudgetIn(BudgetFields):
    unit = serializers.ChoiceField([one.value for one in Unit], default=Unit.MONEY.value)
    amount = serializers.DecimalField(DIGITS, PLACES, min_value=Decimal(0))
    period = serializers.ChoiceField(
        BUDGET_PERIODS, help_text="It begins anew each day, week (on Monday) or month; once: never."
    )


class BudgetChange(BudgetFields):
    amount = serializers.DecimalField(DIGITS, PLACES, min_value=Decimal(0), required=False)


class BudgetAlertOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(
        [one.value for one in BudgetWarning],
        help_text="So many percent are spent or committed, or the forecast is too much.",
    )
    at = serializers.DateTimeField()


class BudgetOut(serializers.Serializer[Any]):
    """A budget with what became of it in its period now, everything below its project included."""

    id = serializers.IntegerField(source="budget.pk")
    project = serializers.CharField(source="budget.project.slug")
    unit = serializers.ChoiceField([one.value for one in Unit], source="budget.unit")
    amount = serializers.DecimalField(**AMOUNT, source="budget.amount")
    currency = serializers.CharField(source="budget.currency", help_text="Empty: GPU-hours.")
    period = serializers.ChoiceField(BUDGET_PERIODS, source="budget.period")
    zone = serializers.CharField(source="budget.zone")
    starts_at = serializers.DateTimeField(source="budget.starts_at", allow_null=True)
    ends_at = serializers.DateTimeField(source="budget.ends_at", allow_null=True)
    hard = serializers.BooleanField(source="budget.hard")
    created_by = serializers.CharField(source="budget.created_by")
    created_at = serializers.DateTimeField(source="budget.created_at")
    since = serializers.DateTimeField(help_text="When the period began that is now.")
    until = serializers.DateTimeField(help_text="When it ends.")
    spent = serializers.DecimalField(**AMOUNT, help_text="By what has ended, less what was given back.")
    committed = serializers.DecimalField(
        **AMOUNT, help_text="What runs uses in the period, from its beginning up to its limits."
    )
    accrued = serializers.DecimalField(**AMOUNT, help_text="What of that it has used so far.")
    forecast = serializers.DecimalField(
        **AMOUNT,
        help_text="What is expected at the end of the period: spent, and what runs and waits as long as was learned.",
    )
    webhook_host = serializers.SerializerMethodField(help_text="To which host alerts are posted; empty: to none.")
    alerts = serializers.SerializerMethodField(help_text="What was told in this period.")
    available = serializers.DecimalField(**AMOUNT, help_text="What is neither spent nor committed.")
    sentence = serializers.CharField(help_text="What became of it, in words.")

    def get_webhook_host(self, report: BudgetReport) -> str:
        webhook = getattr(report.budget, "webhook", None)
        return (urlsplit(webhook.url).hostname or "") if webhook else ""

    @extend_schema_field(BudgetAlertOut(many=True))
    def get_alerts(self, report: BudgetReport) -> Any:
        told = [alert for alert in report.budget.alerts.all() if alert.since == report.since]
        return BudgetAlertOut(told, many=True).data


def webhook_in(wanted: dict[str, Any]) -> tuple[str, str] | None:
    """The address and its secret, taken out of a body; None where none of them was named."""
    if not wanted.keys() & {"webhook_url", "webhook_secret"}:
        return None
    return wanted.pop("webhook_url", ""), wanted.pop("webhook_secret", "")
