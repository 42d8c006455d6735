"""Running jobs that give way to waiting ones: told by the planner, stopped by their nodes, and what that has cost so far.

A preemption is written down once, when the attempt is told; how the attempt ended is read from the attempt.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, F
from django.db.models.functions import Now

from jobs.models import Attempt, Job, JobEvent, Placement, Preemption
from jobs.state.desired import PREEMPT
from scheduling.lifecycle import ACTIVE_STATES, EndReason, JobState
from scheduling.plan_result import PlannedPreemption
from scheduling.planning.stops import borrowers
from scheduling.resources import Resources
from scheduling.snapshot import Allocation

NOWHERE: Mapping[int, str] = {}
RATE_PERIOD = timedelta(hours=1)


def request(planned: Sequence[PlannedPreemption], targets: Mapping[int, str] = NOWHERE) -> int:
    """Tell these jobs to give way, and promise the room to those that it is made for; returns how many were told.

    For each waiting job either all of its victims are told or none: half the room would help nobody. A job that has
    changed meanwhile, or that somebody holds locked, is left to the next cycle. The nodes hear of it within a second,
    and with their next heartbeat for certain. `targets` are the nodes to which victims move, by their jobs. A job that
    is stopped for itself moves: it goes where the next plans have room for it.
    """
    wanted: dict[int, list[PlannedPreemption]] = defaultdict(list)
    for one in planned:
        wanted[one.for_job].append(one)
    if not wanted:
        return 0
    # Both sides are locked, in one statement: the one who is helped could be cancelled, and others stopped for nobody.
    waiting, attempts = _lock(planned)
    kept = {for_job: ones for for_job, ones in wanted.items() if for_job in waiting or all(map(_moves, ones))}
    told = [one for ones in kept.values() if all(one.job_id in attempts for one in ones) for one in ones]
    _write(told, attempts, targets)
    return len(told)


def _moves(one: PlannedPreemption) -> bool:
    return one.for_job == one.job_id


def _lock(planned: Sequence[PlannedPreemption]) -> tuple[set[int], dict[int, Attempt]]:
    """The waiting jobs that still wait; of the victims that still run, and of which nothing is wished, the attempts."""
    # Skipped, not waited for: the cycle holds other jobs already, in no order with these.
    ids = {one.job_id for one in planned} | {one.for_job for one in planned}
    rows = Job.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=ids).order_by("pk")
    jobs = list(rows.only("state", "desired", "attempt"))
    # Whoever is wished away already is not asked again: a cancellation would become a preemption.
    stoppable = [job.pk for job in jobs if job.state == JobState.RUNNING and not job.desired]
    attempts = Attempt.objects.filter(job__in=stoppable, ended_at__isnull=True, preemption__isnull=True)
    return {job.pk for job in jobs if job.state == JobState.PENDING}, {one.job_id: one for one in attempts}


def _write(told: Sequence[PlannedPreemption], attempts: dict[int, Attempt], targets: Mapping[int, str]) -> None:
    Job.objects.filter(pk__in=[one.job_id for one in told]).update(desired=PREEMPT)
    Job.objects.filter(pk__in={one.for_job for one in told if not _moves(one)}).update(promised=True)
    Preemption.objects.bulk_create(
        Preemption(
            attempt=attempts[one.job_id],
            for_job_id=None if _moves(one) else one.for_job,
            strategy=one.strategy,
            lost_seconds=one.lost_seconds,
            target=targets.get(one.job_id, ""),
        )
        for one in told
    )
    JobEvent.objects.bulk_create(event for one in told for event in _events(one, attempts[one.job_id].number))


def _events(one: PlannedPreemption, attempt: int) -> tuple[JobEvent, ...]:
    cost: dict[str, object] = {"strategy": one.strategy, "lost_seconds": round(one.lost_seconds, 1)}
    if _moves(one):
        moves = f"Moves to where room is kept for it ({one.strategy}); about {one.lost_seconds:.0f} s of work are done again."
        return (JobEvent(job_id=one.job_id, kind="preempt_requested", attempt=attempt, message=moves, data=cost),)
    gives = f"Gives way to job {one.for_job} ({one.strategy}); about {one.lost_seconds:.0f} s of work are done again."
    gets = f"Job {one.job_id} gives way to it ({one.strategy})."
    return (
        JobEvent(
            job_id=one.job_id,
            kind="preempt_requested",
            attempt=attempt,
            message=gives,
            data={"for_job": one.for_job, **cost},
        ),
        JobEvent(job_id=one.for_job, kind="room_promised", message=gets, data={"job": one.job_id, **cost}),
    )


def recent(**which: str) -> int:
    """How many (`which`: of those with these columns) were told in the last hour; not those who gave quota back.

    Nominal quota comes back however many that takes, and takes nothing from what others may stop.
    """
    told = Preemption.objects.filter(at__gt=Now() - RATE_PERIOD, **which)
    return told.exclude(strategy=borrowers.STRATEGY).count()


def counts() -> dict[int, int]:
    """For each unfinished job how often it has had to give way so far; jobs that never had to are left out."""
    # By the end, not by the order: one that completed in its grace has not given way.
    rows = Preemption.objects.filter(
        attempt__end_reason=EndReason.PREEMPTED, attempt__job__state__in=sorted(ACTIVE_STATES)
    )
    return dict(rows.order_by().values_list("attempt__job_id").annotate(count=Count("pk")))


def last_nodes() -> dict[int, tuple[str, ...]]:
    """For each waiting job that writes checkpoints the nodes of its last attempt, rank 0 first: its work may lie there.

    Of a job that was to move, the node that it was to move to comes before those.
    """
    rows = Placement.objects.filter(
        attempt__job__state=JobState.PENDING,
        attempt__job__checkpointable=True,
        attempt__job__attempt=F("attempt__number"),
        attempt__started_at__isnull=False,
    )
    nodes: dict[int, tuple[str, ...]] = {}
    columns = ("attempt__job_id", "node__name", "attempt__preemption__target")
    for job_id, node, target in rows.order_by("attempt__job_id", "rank").values_list(*columns):
        before = nodes.get(job_id, (target,) if target else ())
        nodes[job_id] = (*before, node)
    return nodes


def rooms() -> dict[int, tuple[Allocation, ...]]:
    """For each waiting job that room was promised what its victims hold, or held: they may be gone, or in their grace.

    Only those that were told since it last stood on a node: what was made before is used up.
    """
    # Of closed placements too: between the victim's end and the start of the one that it was for, the room is still kept for that.
    rows = Placement.objects.filter(
        attempt__preemption__for_job__state=JobState.PENDING, attempt__preemption__for_job__promised=True
    ).exclude(attempt__preemption__at__lte=F("attempt__preemption__for_job__queued_at"))
    columns = ("attempt__preemption__for_job_id", "node__name", "cpus", "memory_mb", "gpu_indices", "rank")
    found: dict[int, tuple[Allocation, ...]] = {}
    for job_id, node, cpus, memory_mb, gpus, rank in rows.order_by("pk").values_list(*columns):
        share = Allocation(node, Resources(cpus, memory_mb, len(gpus)), tuple(gpus), rank)
        found[job_id] = (*found.get(job_id, ()), share)
    return found


def time_to_go(grace: int | None) -> float:
    """For how long one that was told to stop may still be there from now on: its agent hears of it or loses its lease, then its grace runs."""
    usual = max(settings.KILL_GRACE_SECONDS, settings.PREEMPT_GRACE_SECONDS)
    return float(settings.LEASE_SECONDS + max(min(grace or 0, settings.MAX_GRACE_SECONDS), usual))
