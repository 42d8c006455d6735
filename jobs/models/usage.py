"""What was used, summed up by the hour. It names projects, users and nodes by plain values: it outlives them all."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

EXACT: dict[str, Any] = {"max_digits": 30, "decimal_places": 6, "default": 0}


class UsageHour(models.Model):
    """One hour (UTC) of the jobs of one project, user and queue with the same labels, on one node and kind of hardware.

    What is held is split at the borders of the hour. What is known only when an attempt ends (what it cost, how it ended,
    what it really used) is in the hour of its end, all of it. See `jobs.usage`.
    """

    hour = models.DateTimeField()
    project = models.BigIntegerField()
    project_slug = models.CharField(max_length=63)
    user_name = models.CharField(max_length=150, blank=True)
    queue = models.CharField(max_length=40, blank=True)
    hardware = models.CharField(max_length=300, help_text="The model of its GPUs, or cpu.")
    node = models.CharField(max_length=63, blank=True, help_text="Empty: of jobs that wait.")
    labels = models.JSONField(default=dict)

    gpu_seconds = models.DecimalField(**EXACT)
    cpu_seconds = models.DecimalField(**EXACT)
    # As fair share counts, see `scheduling.sharing.usage_decay`: held, and wanted by jobs that could have started.
    charged_seconds = models.DecimalField(**EXACT)
    waiting_seconds = models.DecimalField(**EXACT)
    # Of attempts that ended: what they worked, of what they held and was measured.
    used_cpu_seconds = models.DecimalField(**EXACT)
    measured_cpu_seconds = models.DecimalField(**EXACT)
    busy_gpu_seconds = models.DecimalField(**EXACT)
    measured_gpu_seconds = models.DecimalField(**EXACT)
    # Held and measured, and each by itself without work; and what energy was measured.
    idle_held_gpu_seconds = models.DecimalField(**EXACT, db_default=0)
    # As their GPUs idled they were requeued or stopped: what they would have held still, as it was estimated.
    freed_gpu_seconds = models.DecimalField(**EXACT, db_default=0)
    gpu_joules = models.DecimalField(**EXACT, db_default=0)
    cpu_joules = models.DecimalField(**EXACT, db_default=0)
    # All that attempts held that ended in failure, by whose fault; that gave way; and of those the work that was lost.
    owner_failed_gpu_seconds = models.DecimalField(**EXACT)
    owner_failed_cpu_seconds = models.DecimalField(**EXACT)
    platform_failed_gpu_seconds = models.DecimalField(**EXACT)
    platform_failed_cpu_seconds = models.DecimalField(**EXACT)
    preempted_gpu_seconds = models.DecimalField(**EXACT)
    preempted_cpu_seconds = models.DecimalField(**EXACT)
    lost_gpu_seconds = models.DecimalField(**EXACT)
    lost_cpu_seconds = models.DecimalField(**EXACT)
    cost = models.DecimalField(**EXACT)
    attempts = models.DecimalField(**EXACT, help_text="How many ended.")
    # From eligible to running, of each attempt that began: medians cannot be made of medians.
    waits = ArrayField(models.FloatField(), default=list)

    class Meta:
        ordering = ["hour", "id"]
        indexes = [models.Index(fields=["hour"], name="usage_hour")]

    def __str__(self) -> str:
        return f"{self.project_slug} {self.hour:%Y-%m-%d %H}:00"


class UsageRollup(models.Model):
    """How far hours have been summed up, and how many of the jobs before then were deleted as they were too old: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    rolled_up_until = models.DateTimeField(null=True)
    jobs_deleted = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_usage_rollup_row")]

    def __str__(self) -> str:
        return f"rolled up until {self.rolled_up_until}"
