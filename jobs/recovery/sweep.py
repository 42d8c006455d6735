"""Repair of what was lost: silent nodes, messages that never arrived, jobs that make no progress.

Safe to run at any time, twice, and beside anything else. What is not known is left alone: see `jobs/recovery/clock_guard.py`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from jobs.attempts.completion import finish
from jobs.control import inactive_owners, workload_settling
from jobs.logs import gaps
from jobs.messages import placement_messages, publishing
from jobs.models import Job, JobEvent, Placement
from jobs.planning import dead_dependencies
from jobs.recovery import clock_guard, faulty_nodes, idle_gpus, stalls
from jobs.sessions import ending
from jobs.state import transitions
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import TERMINAL_STATES, EndReason, PlacementState
from workers import heartbeats
from workers.models import Node

log = logging.getLogger(__name__)
RECOVERY_LOCK = 0x7265_636F  # "reco": one sweep at a time
SWEEP = 500


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many placements one sweep repaired, by what was wrong with them.

    Also how many nodes it drained, how many jobs it ended because they waited for others in vain, and how many workloads
    it told their jobs what is wanted of.
    """

    lost: int = 0
    released: int = 0
    republished: int = 0
    stalled: int = 0
    idle: int = 0
    late: int = 0
    drained: int = 0
    ownerless: int = 0
    in_vain: int = 0
    workloads: int = 0


def recover() -> Recovered:
    """One sweep. What concerns placements and nodes is left alone while another one runs."""
    # Apart: they lock thousands of jobs in order, and must begin without a lock of the repair's.
    ending.end_forgotten()
    return replace(_repair(), in_vain=dead_dependencies.cancel_dead(), workloads=workload_settling.reconcile())


def _repair() -> Recovered:
    with transaction.atomic():
        # 1. One sweep at a time. Who finds another at work goes, and does not wait: the next sweep is seconds away, and
        # waiting ones would fill the worker's threads.
        if not _our_turn():
            return Recovered()
        # 2. May silence be held against anybody? If not, ringing again is all that can harm nobody.
        judging = clock_guard.leases_may_expire()
        # 3. Silent nodes first, so that nothing is placed on them any more, and step 4 finds what was.
        if judging:
            heartbeats.mark_down()
    if not judging:
        return Recovered(republished=_step(_republish))
    return Recovered(
        # 4. What nobody runs. Each locks the jobs that it finds, skips those that somebody else is at work on, and judges
        # once more under the lock: see `_finish`. Those that never began are among the lost ones too: what is ended
        # there is open no more, and not taken for a silent node's.
        lost=_step(_end_unstarted) + _step(_end_lost),
        released=_step(release_unclaimed),
        late=_step(_end_late_gangs),
        # 5. What runs, and should not. After step 4: a job that has just been given up is not told to stop.
        stalled=_step(stalls.detect),
        idle=_step(idle_gpus.climb),
        drained=_step(faulty_nodes.detect),
        ownerless=_step(inactive_owners.cancel_their_jobs),
        # 6. What nobody has claimed, of all that is still placed after that.
        republished=_step(_republish),
    )


def _step(repair: Callable[[], int]) -> int:
    """One step in a transaction of its own, left out while another sweep is at one.

    Each takes its rows in the order of ids; two in one transaction would come for lower ones while they hold others.
    """
    with transaction.atomic():
        return repair() if _our_turn() else 0


def _our_turn() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [RECOVERY_LOCK])
        return bool(cursor.fetchone()[0])


def _end_unstarted() -> int:
    """An agent that is heard of and does not renew such a lease hangs with it: that its node is to blame for."""
    speaks = Q(node__last_heartbeat_at__gte=Now() - timedelta(seconds=settings.LEASE_SECONDS))
    rows = _run_out().filter(speaks, state=PlacementState.CLAIMED)
    return _finish(rows, EndReason.PLATFORM_ERROR, "Node {node} took the job and did not begin.", charged=True)


def _end_lost() -> int:
    return _finish(_run_out(), EndReason.NODE_LOST, "Node {node} fell silent: its lease ran out.", charged=True)


def _run_out() -> QuerySet[Placement]:
    """Leases that ran out, plus the time in which the shim must have stopped: the command is certainly gone.

    In a cluster nothing ends with a lease, so there it says nothing: neither a silent bridge nor a silent cluster.
    """
    gone = Now() - timedelta(seconds=settings.LEASE_MARGIN_SECONDS)
    return _open().filter(
        node__cluster__isnull=True,
        state__in=(PlacementState.CLAIMED, PlacementState.RUNNING),
        lease_expires_at__lt=gone,
    )


@transaction.atomic
def release_unclaimed() -> int:
    """Placements on nodes that are not there to claim them go back in line; nothing ran, so nothing is charged."""
    rows = _open().filter(state=PlacementState.PLACED, node__state=Node.State.DOWN)
    return _finish(rows, EndReason.NODE_LOST, "Node {node} went away before it took the job.", charged=False)


def _end_late_gangs() -> int:
    """Gangs of which some node has not taken its part in time give back what the others hold. Nobody is charged."""
    late = Now() - timedelta(seconds=settings.GANG_START_SECONDS)
    rows = _open().filter(state=PlacementState.PLACED, attempt__job__nodes__gt=1, attempt__created_at__lt=late)
    message = f"Did not take its part within {settings.GANG_START_SECONDS:g} seconds: the gang gave its places back."
    return _finish(rows, EndReason.START_FAILED, message, charged=False)


def _republish() -> int:
    """Ring again for placements that nobody claimed: the message, or the agent that held it, was lost."""
    late = Now() - timedelta(seconds=settings.REPUBLISH_SECONDS)
    unheard = _open().filter(state=PlacementState.PLACED, published_at__lt=late)
    # Skipped where somebody holds one: it is just being claimed or closed.
    rows = list(unheard.select_for_update(of=("self",), no_key=True, skip_locked=True)[:SWEEP])
    Placement.objects.filter(pk__in=[row.pk for row in rows]).update(
        published_at=Now(), publish_count=F("publish_count") + 1
    )
    # Once in its history, however often: a node that is away for an hour would fill it.
    first_time = [row.attempt.job_id for row in rows if row.publish_count == 1]
    transitions.note(first_time, "republished", message="Nobody claimed it in time: its node is told again.")
    publishing.request_placements(placement_messages.placement_messages(rows))
    return len(rows)


def _open() -> QuerySet[Placement]:
    return Placement.objects.filter(closed_at__isnull=True).select_related("attempt", "node__cluster").order_by("pk")


def _finish(rows: QuerySet[Placement], reason: EndReason, message: str, *, charged: bool) -> int:
    """End what `rows` finds, judged again under the jobs' locks: a lease renewed in between saves its job."""
    job_ids = list(rows.values_list("attempt__job_id", flat=True)[:SWEEP])
    if not job_ids:
        return 0
    # Skipped, not waited for: nobody asked for this, and the next sweep is seconds away. A locked one is somebody's who
    # is just ending or claiming it, and may be fine in a moment.
    ours = Job.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=job_ids).order_by("pk")
    locked = list(ours.values_list("pk", flat=True))
    # `rows` again, now that nobody else can end or renew what it finds: that may be less than before.
    endings = [
        PlacementOutcome(
            PlacementRef(row.pk, str(row.attempt.token)),
            reason,
            message=message.format(node=row.node.name),
            charged=charged,
        )
        for row in rows.filter(attempt__job__in=locked).select_for_update(of=("self",), no_key=True)
    ]
    closed = finish(endings) if endings else frozenset()
    if reason == EndReason.NODE_LOST and charged:
        gaps.add_lost_ends(list(closed))  # what the node had not sent yet went with it
    return len(closed)


def prune() -> int:
    """Delete events of jobs that ended longer ago than their retention; returns the number of rows."""
    ended = Q(state__in=TERMINAL_STATES)
    old_events = Job.objects.filter(ended, finished_at__lt=Now() - timedelta(days=settings.EVENT_RETENTION_DAYS))
    events, _ = JobEvent.objects.filter(job__in=old_events).delete()
    return events
