"""Rows that plans are made with, beside the jobs: what was used, how long jobs ran, which nodes are kept, what was promised."""

import uuid

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, Now

from jobs.models.job import Job
from quotas.models import Project
from workers.models import Node

reservation_name_validator = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "Use lower-case letters, digits and dashes, at most 63, neither first nor last a dash.",
)


class UsageTally(models.Model):
    """What a user of a project has used, in charged seconds that are worth half after each half-life.

    `used` is as it was worth at `as_of`; what runs is not in it yet. See `scheduling.sharing.usage_decay`.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    used = models.FloatField()
    as_of = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(F("project"), Coalesce("owner", 0), name="one_tally_per_user_and_project"),
        ]

    def __str__(self) -> str:
        return f"{self.used:.0f} s by {self.owner_id} in {self.project_id}"


class RunTimeHistory(models.Model):
    """The last run times of one kind of jobs, as `scheduling.forecast.runtime_prediction` writes them down.

    Or how fast they run on each type of machine, as `scheduling.speeds` does; `jobs.planning.run_times` makes the keys.
    """

    key = models.TextField(primary_key=True)
    data = models.JSONField(default=list)
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.key


class RunTimeLearning(models.Model):
    """How far learning has come, and how good the predictions were: one row, with sums over all jobs that had one."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    # The last job that was learned from: when it ended, and its id.
    learned_until = models.DateTimeField(null=True)
    learned_id = models.PositiveBigIntegerField(default=0)
    count = models.PositiveBigIntegerField(default=0)
    absolute_seconds = models.FloatField(default=0, help_text="Predicted and true run time apart, either way.")
    under = models.PositiveBigIntegerField(default=0, help_text="Jobs that outlived their prediction.")
    alike = models.FloatField(default=0, help_text="The shorter of the two over the longer one.")
    inside = models.PositiveBigIntegerField(default=0, help_text="Jobs that ended inside their interval.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_run_time_learning_row")]

    def __str__(self) -> str:
        return f"{self.count} predictions"


class Reservation(models.Model):
    """Nodes kept for a project and all below it for a while; without a project for nobody: maintenance."""

    name = models.CharField(max_length=63, unique=True, validators=[reservation_name_validator])
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="reservations",
        help_text="Empty: maintenance, nobody's jobs run.",
    )  # fmt: skip
    nodes = models.ManyToManyField(Node, through="ReservedNode", related_name="reservations")
    start = models.DateTimeField()
    end = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["start", "name"]
        constraints = [
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="reservation_ends_after_its_start"),
        ]

    def __str__(self) -> str:
        return self.name


class ReservedNode(models.Model):
    """One node of a reservation. The database refuses a second reservation of the node at the same time."""

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="kept")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    during = DateTimeRangeField()

    class Meta:
        constraints = [
            # A range of one id needs no extension of PostgreSQL's, which plain equality would.
            ExclusionConstraint(
                name="node_reserved_once",
                expressions=[
                    (Func(F("node"), F("node"), Value("[]"), function="int8range"), RangeOperators.OVERLAPS),
                    ("during", RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node} for {self.reservation}"


class FloorShadow(models.Model):
    """How far plain backfilling was played in the shadow: one row, as long as a policy keeps a floor.

    See `scheduling.snapshot.Shadow`. Moments are seconds since 1970, as the planner reckons with them: one that was
    rounded on its way through the database would be another moment.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    clock = models.FloatField()
    nodes = models.JSONField(default=dict, help_text="Which machine stands for a node, where that is another one.")
    longest_wait = models.FloatField(default=0)
    broken = models.JSONField(default=dict, help_text="Promises that could not be kept, by why.")
    kept = models.PositiveBigIntegerField(default=0, help_text="Jobs that were done no later than promised.")
    # Another one with each change: whoever remembers the shadow knows by it whether that is still the one.
    version = models.UUIDField(default=uuid.uuid4)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_floor_shadow_row")]

    def __str__(self) -> str:
        return f"shadow at {self.clock:.0f}"


class FloorShadowJob(models.Model):
    """A job that has started in the shadow, or only here, until it ends there."""

    job = models.OneToOneField(Job, primary_key=True, on_delete=models.CASCADE, related_name="+")
    started_at = models.FloatField(null=True)  # there; null: there it still waits
    shares = models.JSONField(default=list)  # [[node, cpus, memory_mb, [GPU, ...]], ...] by rank, on the shadow's nodes
    work_seconds = models.FloatField(null=True)  # all that it took, once it has ended here
    late_seconds = models.FloatField(default=0)  # for so long the shadow had to wait for it

    def __str__(self) -> str:
        return f"shadow of {self.job_id}"


class Cycle(models.Model):
    """The last scheduling pass: one row, so that everybody can see that the planner is alive and what it saw."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    started_at = models.DateTimeField(null=True)
    duration_ms = models.FloatField(default=0)
    count = models.PositiveBigIntegerField(default=0)
    placed = models.PositiveIntegerField(default=0)
    placed_total = models.PositiveBigIntegerField(default=0)
    total_ms = models.FloatField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    # The waiting jobs that could start once there is room, in the order in which the planner looks at them: a job's
    # position is its place in here. Who is held, or waits for a time or for other jobs, has none.
    line = ArrayField(models.BigIntegerField(), default=list)
    # What went wrong in it without stopping it, a sentence each: a policy that failed.
    alerts = models.JSONField(default=list)
    # The longest that a job has waited, where a policy goes by it, and when that one started, in seconds since 1970:
    # see `scheduling.longest_wait`.
    longest_wait = models.FloatField(default=0, db_default=0)
    longest_wait_at = models.FloatField(default=0, db_default=0)
    # By which strategies the last cycle that placed anything placed how many jobs, and why by these.
    picked = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    # What `jobs/planning/rebalancing.py` last proposed to move, see its `as_data`.
    proposals = models.JSONField(default=list)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_cycle_row")]

    def __str__(self) -> str:
        return f"cycle {self.count}"
