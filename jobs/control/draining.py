"""Emptying a node: nothing new starts there, and what runs there ends, gives way or goes back in line.

What is wanted stands in the node's row. `enforce` sees to it, at once and with each sweep: a job that was placed there at
the very moment of the drain is found a little later.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobs.attempts.completion import finish
from jobs.messages import publishing, remote_control
from jobs.messages.after_commit import after_commit
from jobs.models import Job, Placement
from jobs.planning import moves
from jobs.planning.moves import Begun
from jobs.state import transitions
from jobs.state.desired import PREEMPT, REQUEUE
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.job_moves import MoveOrigin
from scheduling.lifecycle import EndReason, JobState, PlacementState
from workers import heartbeats
from workers.models import Node

ON_A_NODE = (JobState.ASSIGNED, JobState.RUNNING)
LATE = Q(drain_deadline__isnull=False, drain_deadline__lte=Now())
EVERYTHING = Q(drain_mode=Node.DrainMode.NOW) | LATE


@transaction.atomic
def drain(
    node: Node, *, mode: str = Node.DrainMode.WAIT, deadline_seconds: float | None = None, reason: str = ""
) -> Node:
    """The node takes nothing new until `undrain`; of what runs there becomes what `mode` says.

    After `deadline_seconds` what is left goes back in line, whatever the mode. A drain may be repeated with another
    mode: jobs that were asked to give way stay asked.
    """
    heartbeats.drain(node, reason)
    deadline = None if deadline_seconds is None else Now() + timedelta(seconds=deadline_seconds)
    Node.objects.filter(pk=node.pk).update(drain_mode=mode, drain_deadline=deadline)
    enforce(Node.objects.filter(pk=node.pk))
    node.refresh_from_db()
    return node


@transaction.atomic
def undrain(node: Node) -> Node:
    """The node takes work again, as soon as its agent is up; nobody else is asked to leave it."""
    Node.objects.filter(pk=node.pk).update(drain_mode=Node.DrainMode.WAIT, drain_deadline=None)
    publishing.request_cycle()
    return heartbeats.undrain(node)


@transaction.atomic
def enforce(nodes: QuerySet[Node] | None = None) -> int:
    """See to what is wanted of drained nodes; returns for how many jobs something was done. Safe to run at any time."""
    drained = (Node.objects.all() if nodes is None else nodes).filter(cordoned=True)
    names = dict(drained.values_list("pk", "name"))
    if not names:
        return 0
    told = _release_unclaimed(list(names))
    wanted = drained.exclude(~LATE, drain_mode=Node.DrainMode.WAIT)
    for node_id, everything in wanted.annotate(everything=EVERYTHING).values_list("pk", "everything"):
        told += _request_stops(node_id, names[node_id], everything=everything)
    return told


def open_jobs(node_id: int) -> int:
    """How many jobs still hold a place on the node."""
    return Placement.objects.filter(node=node_id, closed_at__isnull=True).count()


def jobs_on(node_id: int) -> list[int]:
    """The ids of the jobs that hold a place on the node, in their order."""
    rows = Placement.objects.filter(node=node_id, closed_at__isnull=True)
    return sorted(rows.values_list("attempt__job_id", flat=True).distinct())


def _release_unclaimed(node_ids: Sequence[int]) -> int:
    """What was placed there and not yet taken goes back in line; nothing ran, so nothing is charged."""
    rows = Placement.objects.filter(node__in=node_ids, state=PlacementState.PLACED, closed_at__isnull=True)
    job_ids = _locked(Job.objects.filter(pk__in=rows.values("attempt__job_id")))
    mine = rows.filter(attempt__job__in=job_ids).select_related("attempt", "node").order_by("pk")
    endings = [
        PlacementOutcome(
            PlacementRef(row.pk, str(row.attempt.token)),
            EndReason.PREEMPTED,
            message=f"Node {row.node.name} is drained: it was not taken there.",
            charged=False,
        )
        for row in mine
    ]
    return len(finish(endings)) if endings else 0


def _request_stops(node_id: int, name: str, *, everything: bool) -> int:
    """Those that can save their work give way; if `everything` has to go, the others start again elsewhere."""
    there = Placement.objects.filter(node=node_id, closed_at__isnull=True).values("attempt__job_id")
    jobs = Job.objects.filter(pk__in=there, state__in=ON_A_NODE, desired="")
    told = _set_desired(jobs.filter(checkpointable=True), PREEMPT, name)
    told += _set_desired(jobs.filter(checkpointable=False), REQUEUE, name) if everything else 0
    if told:
        after_commit(lambda: remote_control.caller.call({name}))
    return told


def _set_desired(jobs: QuerySet[Job], wish: str, name: str) -> int:
    job_ids = _locked(jobs)
    Job.objects.filter(pk__in=job_ids).update(desired=wish)
    reason = f"Node {name} is drained."
    moves.begin(Begun(job_id, MoveOrigin.DRAIN, reason=reason, force=wish == REQUEUE) for job_id in job_ids)
    transitions.note(job_ids, f"{wish}_requested", message=reason)
    return len(job_ids)


def _locked(jobs: QuerySet[Job]) -> list[int]:
    """Those that nobody else is at work on; the next sweep finds the others."""
    rows = jobs.select_for_update(no_key=True, skip_locked=True).order_by("pk")
    return list(rows.values_list("pk", flat=True))
