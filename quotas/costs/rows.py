"""Prices and the ledger. The ledger names jobs, projects and users by plain values: it outlives them all."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Lower, Now

from scheduling.sharing import prices

AMOUNT = {"max_digits": 30, "decimal_places": prices.PLACES}


class Price(models.Model):
    """What an hour of something costs, for a while. It is never changed once it was valid: an end is set, and the next begins."""

    target = models.CharField(max_length=10, choices=[(one.value, one.value) for one in prices.Target])
    name = models.CharField(
        max_length=100, blank=True, help_text="Of a node, a node type or a GPU model; a CPU and memory have none."
    )
    capacity = models.CharField(
        max_length=10, blank=True, choices=[(one.value, one.value) for one in prices.Capacity if one],
        help_text="For nodes on these terms alone; empty: for all that have no price of their own.",
    )  # fmt: skip
    per_hour = models.DecimalField(max_digits=13, decimal_places=prices.PLACES)
    currency = models.CharField(max_length=3)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(
        null=True, blank=True, help_text="Until just before then; empty: until further notice."
    )
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["target", "name", "capacity", "valid_from"]
        constraints = [
            models.CheckConstraint(condition=Q(per_hour__gte=0), name="price_not_negative"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")), name="price_ends_after_its_start"
            ),
            models.CheckConstraint(
                condition=Q(target__in=["cpu", "memory_gb"], name="")
                | (Q(target__in=["node", "node_type"]) & ~Q(name=""))
                | Q(target="gpu_model"),
                name="price_names_its_target",
            ),
            # A range of one text, which needs no extension of PostgreSQL's, as plain equality would.
            ExclusionConstraint(
                name="one_price_at_a_time",
                expressions=[
                    *(
                        (Func(column, column, Value("[]"), function="quotas_textrange"), RangeOperators.OVERLAPS)
                        for column in (F("target"), Lower("name"), F("capacity"))
                    ),
                    (
                        Func(F("valid_from"), F("valid_to"), Value("[)"), function="tstzrange"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.per_hour} {self.currency} an hour of {self.title}"

    @property
    def title(self) -> str:
        """What it is for, in words."""
        words = (self.capacity, self.target.replace("_", " "), self.name)
        return " ".join(word for word in words if word)

    def as_value(self) -> prices.Price:
        return prices.Price(
            prices.Target(self.target), self.per_hour, self.valid_from, self.valid_to, self.name, self.capacity
        )


class LedgerTransaction(models.Model):
    """One thing that happened to the money for a placement: each kind once. The database refuses changes.

    `cost` is what it adds to what its project has to pay: nothing for a hold, and of a refund less than nothing.
    """

    class Kind(models.TextChoices):
        HOLD = "hold"
        SETTLE = "settle"
        REFUND = "refund"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    placement = models.BigIntegerField(help_text="Its number. It may be deleted, as may all that is named here.")
    at = models.DateTimeField()
    cost = models.DecimalField(**AMOUNT)  # type: ignore[arg-type]  # of a dict the stubs know no types
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=40, blank=True)

    job = models.BigIntegerField()
    job_name = models.CharField(max_length=200)
    attempt = models.PositiveIntegerField()
    batch = models.CharField(max_length=32, blank=True)
    labels = models.JSONField(default=dict)
    project = models.BigIntegerField()
    project_slug = models.CharField(max_length=63)
    user_name = models.CharField(max_length=150, blank=True)
    node = models.CharField(max_length=63)
    # As `scheduling.sharing.prices.Holding`: with it, the interval and the prices every cost can be worked out again.
    holding = models.JSONField(default=dict)
    held_from = models.DateTimeField()
    held_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["placement", "kind"], name="ledger_kind_once_a_placement"),
            models.CheckConstraint(condition=Q(kind__in=["hold", "settle", "refund"]), name="ledger_kind_known"),
        ]
        indexes = [
            # With all that reports sum up and group by: a month of a million placements is read from it alone.
            models.Index(
                fields=["at"],
                include=["project", "user_name", "kind", "cost", "batch", "node"],
                name="ledger_sums",
                condition=~Q(kind="hold"),
            ),
            models.Index(fields=["job"], name="ledger_of_job"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of placement {self.placement}: {self.cost} {self.currency}"


class JobMonth(models.Model):
    """What was booked for a job in one month of UTC's: the ledger's rows summed up, for reports of a million jobs.

    The database keeps it by itself with each row of the ledger, since the migration that made it.
    """

    month = models.DateField(help_text="Its first day.")
    job = models.BigIntegerField()
    project = models.BigIntegerField()
    user_name = models.CharField(max_length=150, blank=True)
    batch = models.CharField(max_length=32, blank=True)
    settled = models.DecimalField(**AMOUNT)  # type: ignore[arg-type]  # of a dict the stubs know no types
    refunded = models.DecimalField(**AMOUNT)  # type: ignore[arg-type]  # likewise
    paid = models.GeneratedField(
        expression=F("settled") - F("refunded"), output_field=models.DecimalField(**AMOUNT), db_persist=True  # type: ignore[arg-type]
    )  # fmt: skip
    placements = models.IntegerField(help_text="How many of them were settled.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["month", "job"], name="job_once_a_month")]
        indexes = [
            # The dearest first: a page of a report is its beginning.
            models.Index(
                fields=["month", "-paid", "job"],
                include=["project", "user_name", "settled", "refunded", "placements"],
                name="job_months_by_cost",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.paid} in {self.month:%Y-%m} for job {self.job}"


class LedgerEntry(models.Model):
    """One line of a transaction: what an account receives. All lines of a transaction together are nothing."""

    class Account(models.TextChoices):
        PROJECT = "project"  # what the project still has of what it was given: it only goes down, but for refunds
        HOLD = "hold"  # set aside for what runs
        REVENUE = "revenue"  # the platform's
        REFUND = "refund"  # what the platform gave back

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=7, choices=Account.choices)
    amount = models.DecimalField(**AMOUNT)  # type: ignore[arg-type]  # likewise

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(account__in=["project", "hold", "revenue", "refund"]), name="ledger_account_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.amount}"
