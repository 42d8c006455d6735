"""Budgets, as they were set. What is spent of them stands in the ledger, and on record of what held GPUs."""

from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from scheduling.sharing.budget_use import BudgetWarning
from scheduling.sharing.budgets import Unit, period_at
from scheduling.sharing.periods import BUDGET_PERIODS, ONCE
from scheduling.sharing.prices import PLACES
from scheduling.sharing.rates import MILLION
from scheduling.snapshot import BudgetView

DIGITS = 16
MOST = Decimal(10) ** (DIGITS - PLACES)


class Budget(models.Model):
    """What a project and everything below it may spend in each period."""

    project = models.ForeignKey("quotas.Project", on_delete=models.CASCADE, related_name="budgets")
    unit = models.CharField(max_length=9, choices=[(one.value, one.value) for one in Unit], default=Unit.MONEY.value)
    amount = models.DecimalField(max_digits=DIGITS, decimal_places=PLACES)
    currency = models.CharField(max_length=3, blank=True, help_text="Of money; the platform's.")
    period = models.CharField(max_length=5, choices=[(one, one) for one in BUDGET_PERIODS])
    zone = models.CharField(
        max_length=64, default="UTC", help_text="By whose calendar: a time zone such as Europe/Berlin."
    )
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Of a budget that is there once.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Until just before then.")
    hard = models.BooleanField(default=False, help_text="Nothing starts that it could not pay for to its end.")
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["project", "id"]
        constraints = [
            # Of NaN, which is more than any number, PostgreSQL would have it that it is not negative.
            models.CheckConstraint(condition=Q(amount__gte=0, amount__lt=MOST), name="budget_amount_is_an_amount"),
            models.CheckConstraint(
                condition=Q(unit="money") & ~Q(currency="") | Q(unit="gpu_hours", currency=""),
                name="budget_of_money_has_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(period="once", starts_at__isnull=False, ends_at__gt=F("starts_at"))
                | Q(period__in=["day", "week", "month"], starts_at__isnull=True, ends_at__isnull=True),
                name="budget_once_has_a_start_and_an_end",
            ),
        ]

    def __str__(self) -> str:
        words = f"{self.amount.normalize():f} {self.currency or 'GPU-hours'}"
        return f"{words} {'once' if self.period == ONCE else f'a {self.period}'} for {self.project}"

    def as_value(self, slug: str, moment: float) -> BudgetView:
        """As the core sees it, in its period at that moment, with nothing spent yet."""
        view = BudgetView(
            id=self.pk,
            project=slug,
            unit=self.unit,
            amount=int(self.amount * MILLION),
            period=self.period,
            zone=ZoneInfo(self.zone),
            hard=self.hard,
            since=self.starts_at.timestamp() if self.starts_at else None,
            until=self.ends_at.timestamp() if self.ends_at else None,
            currency=self.currency,
        )
        return replace(view, spent_since=period_at(view, moment).start)


class BudgetWebhook(models.Model):
    """Where alerts of a budget are posted, and the secret that they are signed with. Agents may not read it."""

    budget = models.OneToOneField(Budget, on_delete=models.CASCADE, related_name="webhook")
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"webhook of budget {self.budget_id}"


class BudgetAlert(models.Model):
    """Something to be told of a budget, once in each of its periods, with its figures at that moment."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="alerts")
    since = models.DateTimeField(help_text="When the period began.")
    kind = models.CharField(max_length=8, choices=[(one.value, one.value) for one in BudgetWarning])
    spent = models.DecimalField(max_digits=30, decimal_places=PLACES)
    committed = models.DecimalField(max_digits=30, decimal_places=PLACES)
    forecast = models.DecimalField(max_digits=30, decimal_places=PLACES)
    amount = models.DecimalField(max_digits=30, decimal_places=PLACES)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "since", "kind"], name="budget_alert_once_a_period"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of budget {self.budget_id}"


class BudgetDelivery(models.Model):
    """An alert on its way by one channel. When it is tried again is a column: no message waits for it."""

    class Channel(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"

    alert = models.ForeignKey(BudgetAlert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=7, choices=Channel.choices)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, db_default=Now(), help_text="Empty: it is over.")
    delivered_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel"], name="budget_delivery_once_a_channel"),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], name="budget_delivery_due", condition=Q(next_try_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.alert} by {self.channel}"
