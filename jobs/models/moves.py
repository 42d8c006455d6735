"""Jobs that move from node to node: who wanted it and why, from where to where, what kept them, what was lost.

REST calls them migrations; a table of that name would be taken for Django's.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import Attempt, Job
from scheduling.job_moves import OVER, MoveOrigin, MoveState


def _names() -> "ArrayField[Any, Any]":
    return ArrayField(models.CharField(max_length=200), default=list)


class JobMove(models.Model):
    """One move of one job: it begins with the stop of an attempt. Open until `closed_at` is set."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="moves")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="+")
    origin = models.CharField(max_length=12, choices=[(one.value, one.value) for one in MoveOrigin])
    state = models.CharField(
        max_length=10, choices=[(one.value, one.value) for one in MoveState], default=MoveState.STOPPING
    )
    asked_by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    force = models.BooleanField(default=False, help_text="It moves although it writes no checkpoints.")
    for_job = models.BigIntegerField(null=True, help_text="The waiting job that gets the room; it may be deleted.")
    rolls_back = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    sources = _names()
    targets = _names()  # where it is to go on; empty: anywhere
    # What is kept for it there: [[node, cpus, memory_mb, [GPU, ...], rank], ...]
    room = models.JSONField(default=list)
    nodes = _names()  # where it was placed
    lost_seconds = models.FloatField(null=True, help_text="Work to be done again, as it was estimated.")
    message = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True)
    placed_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["job"], condition=Q(closed_at__isnull=True), name="one_open_move_per_job"),
            models.CheckConstraint(
                condition=Q(state__in=sorted(OVER), closed_at__isnull=False)
                | Q(state__in=sorted(set(MoveState) - OVER), closed_at__isnull=True),
                name="move_closed_at_set_when_over",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=sorted(one.value for one in MoveOrigin)), name="move_origin_known"
            ),
        ]
        indexes = [models.Index(fields=["job", "-id"], name="move_of_job")]

    def __str__(self) -> str:
        return f"{self.job_id} from {', '.join(self.sources)} to {', '.join(self.targets) or 'any node'}"
