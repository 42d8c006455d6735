"""Who gave way to whom, and what that cost: on record, summed up, and as it would be for a job that waits now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, ExpressionWrapper, F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now, TruncDay

from jobs.models import Job, Preemption, queries
from jobs.planning.snapshot import take_snapshot
from scheduling.errors import ConflictError
from scheduling.forecast.giving_way import GivingWay, giving_way
from scheduling.lifecycle import EndReason, JobState
from scheduling.plan_result import PlannedPreemption

SHOWN = 100
USUALLY = timedelta(days=30)
GAVE_WAY = Q(attempt__end_reason=EndReason.PREEMPTED)
GPU_SECONDS = ExpressionWrapper(
    F("lost_seconds") * F("attempt__job__gpus") * F("attempt__job__nodes"), output_field=FloatField()
)


class By(StrEnum):
    """What preemptions are summed up by: of whom gave way the project or the queue; the day; the right."""

    PROJECT = "project"
    QUEUE = "queue"
    DAY = "day"
    STRATEGY = "strategy"


GROUPS: dict[By, Any] = {
    By.PROJECT: F("attempt__job__project__slug"),
    By.QUEUE: F("attempt__job__queue__name"),
    By.DAY: TruncDay("at"),
    By.STRATEGY: F("strategy"),
}


@dataclass(frozen=True, slots=True)
class WouldGiveWay:
    """A running job that would or could give way, with its row if the caller may see it."""

    planned: PlannedPreemption
    chosen: bool
    job: Job | None


@dataclass(frozen=True, slots=True)
class Sums:
    """The preemptions of one group: a name, or the beginning of a day."""

    group: Any
    requested: int
    gave_way: int
    lost_seconds: float
    lost_gpu_seconds: float


def candidates(job: Job, user: User) -> tuple[GivingWay, list[WouldGiveWay]]:
    """Who would give way if the job was to start now, those first whom the plan stops. Raises ConflictError if it does not wait."""
    found = (
        giving_way(snapshot := take_snapshot(), snapshot.taken_at, job.pk) if job.state == JobState.PENDING else None
    )
    if found is None:
        raise ConflictError(f"Job {job.pk} is {job.state}: others give way only to a job that waits.", state=job.state)
    planned = [(one, True) for one in found.chosen] + [(one, False) for one in found.others[:SHOWN]]
    seen = _visible(user, [one.job_id for one, _ in planned])
    return found, [WouldGiveWay(one, chosen, seen.get(one.job_id)) for one, chosen in planned]


def _visible(user: User, job_ids: Sequence[int]) -> dict[int, Job]:
    return {job.pk: job for job in queries.visible_jobs(user).filter(pk__in=job_ids)}


def history(user: User) -> QuerySet[Preemption]:
    """Every preemption of a job that the user may see, or for one."""
    seen = queries.visible_jobs(user).values("pk")
    rows = Preemption.objects.select_related("attempt__job__project", "attempt__job__queue", "for_job__project")
    return rows if user.is_staff else rows.filter(Q(attempt__job__in=seen) | Q(for_job__in=seen))


def visible_among(user: User, rows: Sequence[Preemption]) -> frozenset[int]:
    """Of the jobs that these rows name, those that the user may see."""
    named = {row.attempt.job_id for row in rows} | {row.for_job_id for row in rows if row.for_job_id}
    return frozenset(queries.visible_jobs(user).filter(pk__in=named).values_list("pk", flat=True))


def statistics(user: User, by: By, *, since: datetime | None = None, until: datetime | None = None) -> list[Sums]:
    """How many were told, how many gave way, and what was lost, by group: of jobs that the user may see, in the last 30 days."""
    seen = queries.visible_jobs(user).values("pk")
    rows = Preemption.objects.filter(attempt__job__in=seen, at__gte=since or Now() - USUALLY)
    rows = rows.filter(at__lt=until) if until else rows
    summed = rows.order_by().annotate(group=GROUPS[by]).values("group")
    totals: dict[str, Any] = {
        "requested": Count("pk"),
        "gave": Count("pk", filter=GAVE_WAY),
        "lost": Coalesce(Sum("lost_seconds", filter=GAVE_WAY), 0.0),
        "lost_gpus": Coalesce(Sum(GPU_SECONDS, filter=GAVE_WAY), 0.0),
    }
    return [Sums(*row) for row in summed.annotate(**totals).order_by("group").values_list("group", *totals)]
