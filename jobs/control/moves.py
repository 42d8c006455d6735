"""Moving a running job to another node, because somebody asks for it: planned, begun, called off, taken back.

The job saves its work, gives its place back and starts where room is kept for it. Nobody else is displaced. Rights are
checked by the doors.
"""

from dataclasses import dataclass, replace

from django.db import connection, transaction
from django.db.models import QuerySet

from jobs.attempts import completion
from jobs.messages import remote_control
from jobs.models import Job, JobMove, Placement
from jobs.planning import moves
from jobs.planning.cycle import PLANNER_LOCK
from jobs.planning.moves import Begun
from jobs.planning.snapshot import take_snapshot
from jobs.state import transitions
from jobs.state.desired import PREEMPT
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError, FieldError, InvalidError, NotFoundError
from scheduling.job_moves import CANCELLABLE, MoveOrigin, MoveState
from scheduling.lifecycle import PLACED_STATES, EndReason, JobState, PlacementState
from scheduling.planning.moves import MovePlan, Obstacle, plan_move
from workers.queries import nodes_now

KNOWN_SHOWN = 20
ON_NO_NODE = MovePlan(0, ())


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """To which node (empty: any other), why, and whether also a job is moved that writes no checkpoints."""

    node: str = ""
    reason: str = ""
    force: bool = False


def plan(*, job_id: int, wanted: MoveRequest) -> MovePlan:
    """What would come of it if it was asked for now. Writes nothing, and keeps nothing.

    Raises InvalidError for a node that there is not.
    """
    return _planned(_found(Job.objects.filter(pk=job_id), job_id), wanted)


@transaction.atomic
def begin(*, job_id: int, wanted: MoveRequest, actor: str, rolls_back: JobMove | None = None) -> JobMove:
    """Tell the job to stop, and keep for it the room where it is to go on.

    Raises ConflictError with everything that stands against it; InvalidError for a node that there is not.
    """
    # Between two cycles: no plan gives the room away that is found here.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLANNER_LOCK])
    job = _found(Job.objects.select_for_update(no_key=True).filter(pk=job_id), job_id)
    for earlier in JobMove.objects.select_for_update(no_key=True).filter(job=job, closed_at=None):
        moves.refresh(earlier)
    planned = _planned(job, wanted)
    if planned.obstacles:
        raise ConflictError(" ".join(one.sentence for one in planned.obstacles), state=job.state)
    begun = Begun(
        job.pk,
        MoveOrigin.ASKED,
        reason=wanted.reason,
        asked_by=actor,
        force=wanted.force,
        rolls_back=rolls_back,
        shares=planned.shares,
        lost_seconds=planned.lost_seconds,
    )
    moves.begin([begun])
    _stop(job, planned, wanted.reason, actor)
    return JobMove.objects.get(job=job, closed_at=None)


@transaction.atomic
def cancel(*, job_id: int, move_id: int, actor: str, reason: str = "") -> JobMove:
    """Call the move off: the job goes on where it is, or, once it has stopped, wherever there is room.

    Raises ConflictError for a move that is over, whose job has its place already, or that nobody asked for.
    """
    _found(Job.objects.select_for_update(no_key=True).filter(pk=job_id), job_id)
    move = JobMove.objects.select_for_update(no_key=True).filter(pk=move_id, job=job_id).first()
    if move is None:
        raise NotFoundError(f"There is no migration {move_id} of job {job_id}.")
    if move.closed_at is None:
        moves.refresh(move)
    if move.state not in CANCELLABLE:
        raise ConflictError(_too_late(move), state=move.state)
    if move.origin != MoveOrigin.ASKED:
        whose = (
            "the planner, for a job that waits" if move.origin == MoveOrigin.REBALANCING else "the drain of its node"
        )
        raise ConflictError(
            f"Migration {move.pk} comes from {whose}: only one that was asked for is called off.", state=move.state
        )
    if move.state == MoveState.STOPPING:
        moves.take_back(move)
    move.state, move.message = MoveState.CANCELLED, f"Called off by {actor}. {reason}".strip()
    moves.close(move, actor)
    return move


@transaction.atomic
def roll_back(*, job_id: int, move_id: int, actor: str, reason: str = "") -> JobMove:
    """Move the job back to where it came from: a move of its own, with all that may stand against one.

    Raises ConflictError for a move that did not take the job anywhere.
    """
    move = JobMove.objects.filter(pk=move_id, job=job_id).first()
    if move is None:
        raise NotFoundError(f"There is no migration {move_id} of job {job_id}.")
    if move.state != MoveState.DONE:
        raise ConflictError(
            f"Migration {move.pk} is {move.state}: only one that is done can be taken back.", state=move.state
        )
    wanted = MoveRequest(move.sources[0], reason or f"Takes migration {move.pk} back.", force=move.force)
    return begin(job_id=job_id, wanted=wanted, actor=actor, rolls_back=move)


def _found(jobs: QuerySet[Job], job_id: int) -> Job:
    job = jobs.first()
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    return job


def _planned(job: Job, wanted: MoveRequest) -> MovePlan:
    _refuse_unknown(wanted.node)
    against = _against(job, force=wanted.force)
    found = plan_move(snapshot := take_snapshot(), snapshot.taken_at, job.pk, wanted.node)
    planned = replace(ON_NO_NODE, job_id=job.pk) if found is None else found
    obstacles = (*against, *planned.obstacles)
    return replace(planned, obstacles=obstacles, shares=() if obstacles else planned.shares)


def _refuse_unknown(name: str) -> None:
    if name and not nodes_now().filter(name=name).exists():
        known = ", ".join(nodes_now().order_by("name").values_list("name", flat=True)[:KNOWN_SHOWN]) or "none yet"
        raise InvalidError([FieldError("node", f"There is no node {name}. The nodes are: {known}.", "unknown")])


def _against(job: Job, *, force: bool) -> tuple[Obstacle, ...]:
    """What is said of the job itself."""
    if job.state not in PLACED_STATES:
        return (
            Obstacle("state", f"Job {job.pk} is {job.state}: only a job that holds a place on a node can be moved."),
        )
    under_way = JobMove.objects.filter(job=job, closed_at=None).first()
    if under_way is not None:
        return (Obstacle("moving", f"Migration {under_way.pk} of job {job.pk} is under way: it is {under_way.state}."),)
    if job.desired:
        return (Obstacle("stopping", f"Job {job.pk} is being stopped ({job.desired})."),)
    if job.suspended:
        return (Obstacle("suspended", f"Job {job.pk} is suspended: resume it first."),)
    if not (job.checkpointable or force):
        words = "It is not checkpointable: all that it has done would be lost. With force it is moved all the same."
        return (Obstacle("checkpoints", words),)
    return ()


def _stop(job: Job, planned: MovePlan, reason: str, actor: str) -> None:
    Job.objects.filter(pk=job.pk).update(desired=PREEMPT)
    where = ", ".join(planned.targets)
    message = f"Moves from {', '.join(planned.sources)} to {where}. {reason}".strip()
    data = {
        "sources": list(planned.sources),
        "targets": list(planned.targets),
        "lost_seconds": round(planned.lost_seconds, 1),
    }
    transitions.note([job.pk], "migration_requested", message=message, data=data, actor=actor)
    if job.state == JobState.QUEUED:
        _end_unclaimed(job)
    remote_control.notify([job.pk])


def _end_unclaimed(job: Job) -> None:
    """Nobody has begun there: there is nobody to stop."""
    rows = Placement.objects.filter(attempt__job=job, state=PlacementState.PLACED).select_related("attempt")
    completion.finish(
        [
            PlacementOutcome(
                PlacementRef(row.pk, str(row.attempt.token)),
                EndReason.PREEMPTED,
                message="It was moved before its node took it.",
                charged=False,
            )
            for row in rows
        ]
    )


def _too_late(move: JobMove) -> str:
    if move.state == MoveState.PLACED:
        where = ", ".join(move.nodes)
        return f"Job {move.job_id} has its place on {where} already: move it back once it runs there."
    return f"Migration {move.pk} is over: it is {move.state}."
