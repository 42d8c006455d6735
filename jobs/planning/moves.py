"""Jobs that are being moved, from their stop to their start where room was kept for them: written down, followed, given up.

What a move is waiting for is read from its job's attempts each time; nobody has to report to it. Between the stop and the
start the room at the target is the job's own: `rooms` gives it to the snapshot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import transaction
from django.db.models import F, Q

from jobs.messages import publishing, remote_control
from jobs.models import Attempt, Job, JobMove
from jobs.state import transitions
from jobs.state.desired import END, PREEMPT, RUN
from quotas.clock import database_now
from scheduling.job_moves import MoveFacts, MoveOrigin, MoveState, NextAttempt, Stage, stage_of
from scheduling.lifecycle import JobState
from scheduling.resources import Resources
from scheduling.snapshot import Allocation
from workers.models import Node
from workers.queries import nodes_now

EVENTS = {
    MoveState.DONE: "migrated",
    MoveState.FAILED: "migration_failed",
    MoveState.CANCELLED: "migration_cancelled",
}
WRITTEN = ("state", "message", "stopped_at", "placed_at", "nodes", "closed_at")


@dataclass(frozen=True, slots=True)
class Begun:
    """A move that begins: the job was told to stop. `shares` are kept for it; none: it goes wherever there is room."""

    job_id: int
    origin: MoveOrigin
    reason: str = ""
    asked_by: str = ""
    force: bool = False
    for_job: int | None = None
    rolls_back: JobMove | None = None
    shares: Sequence[Allocation] = ()
    lost_seconds: float | None = None


def begin(moves: Iterable[Begun]) -> list[JobMove]:
    """Write them down, in the transaction in which their jobs are told. A job that is being moved already keeps its move."""
    wanted = {one.job_id: one for one in moves}
    if not wanted:
        return []
    open_attempts = Attempt.objects.filter(job__in=list(wanted), ended_at__isnull=True)
    named = open_attempts.annotate(names=ArrayAgg("placements__node__name", order_by="placements__rank"))
    return JobMove.objects.bulk_create(
        [_row(wanted[job_id], attempt, names) for job_id, attempt, names in named.values_list("job_id", "pk", "names")],
        ignore_conflicts=True,
    )


def _row(one: Begun, attempt_id: int, sources: Sequence[str]) -> JobMove:
    return JobMove(
        job_id=one.job_id,
        attempt_id=attempt_id,
        origin=one.origin,
        asked_by=one.asked_by,
        reason=one.reason,
        force=one.force,
        for_job=one.for_job,
        rolls_back=one.rolls_back,
        sources=list(sources),
        targets=[share.node for share in one.shares],
        room=[_as_data(share) for share in one.shares],
        lost_seconds=one.lost_seconds,
    )


def _as_data(share: Allocation) -> list[Any]:
    return [share.node, share.amount.cpus, share.amount.memory_mb, list(share.gpu_indices), share.rank]


def rooms() -> dict[int, tuple[Allocation, ...]]:
    """What is kept for jobs that move: for those that are still stopping, and for those that have stopped and wait."""
    rows = JobMove.objects.filter(closed_at__isnull=True, job__attempt=F("attempt__number")).exclude(room=[])
    return {
        job_id: tuple(
            Allocation(node, Resources(cpus, memory_mb, len(gpus)), tuple(gpus), rank)
            for node, cpus, memory_mb, gpus, rank in room
        )
        for job_id, room in rows.order_by("job_id").values_list("job_id", "room")
    }


def follow() -> int:
    """Bring all moves that are not over up to date; returns how many changed. Safe to run at any time, beside anything else.

    In a transaction of its own: it skips what somebody else holds, and holds nothing while a plan is made.
    """
    return _follow() if JobMove.objects.filter(closed_at__isnull=True).exists() else 0


@transaction.atomic
def _follow() -> int:
    ours = JobMove.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    moves = list(ours.filter(closed_at__isnull=True).select_related("job", "attempt").order_by("pk"))
    return sum(_write(one, wait=False) for one in _progress(moves)) if moves else 0


def refresh(move: JobMove) -> None:
    """Bring this move up to date, whose job and whose row the caller holds."""
    for one in _progress([move]):
        _write(one, wait=True)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a move has come by now, and the attempt that followed the stop."""

    move: JobMove
    stage: Stage
    after: Attempt | None


def _progress(moves: Sequence[JobMove]) -> list[_Progress]:
    now, following = database_now(), _next_attempts(moves)
    able = _taking_jobs({name for move in moves for name in move.targets})
    found = []
    for move in moves:
        after = following.get((move.job_id, move.attempt.number + 1))
        stage = stage_of(_facts(move, now, after, able), settings.MIGRATION_PLACE_SECONDS)
        found.append(_Progress(move, stage, after))
    return found


def _facts(move: JobMove, now: datetime, after: Attempt | None, able: frozenset[str]) -> MoveFacts:
    ended = move.attempt.ended_at
    return MoveFacts(
        targets=tuple(move.targets),
        job_state=JobState(move.job.state),
        end_reason=move.attempt.end_reason if ended else "",
        stopped_for=(now - ended).total_seconds() if ended else 0.0,
        gone=tuple(name for name in move.targets if name not in able),
        next=None if after is None else _as_value(after),
    )


def _as_value(after: Attempt) -> NextAttempt:
    return NextAttempt(_nodes_of(after), after.started_at is not None, after.end_reason if after.ended_at else "")


def _next_attempts(moves: Sequence[JobMove]) -> dict[tuple[int, int], Attempt]:
    """By job and number the attempt after the stop, of those jobs that have been placed since."""
    wanted = reduce(or_, (Q(job=move.job_id, number=move.attempt.number + 1) for move in moves))
    rows = Attempt.objects.filter(wanted).prefetch_related("placements__node")
    return {(row.job_id, row.number): row for row in rows}


def _nodes_of(attempt: Attempt) -> tuple[str, ...]:
    return tuple(share.node.name for share in sorted(attempt.placements.all(), key=lambda share: share.rank))


def _taking_jobs(names: set[str]) -> frozenset[str]:
    """Those of the nodes that are up and heard of."""
    found: Any = nodes_now().filter(name__in=names, state=Node.State.UP) if names else ()
    return frozenset(node.name for node in found if node.liveness(node.now) == Node.Liveness.ALIVE)


def _write(one: _Progress, *, wait: bool) -> bool:
    """Whether anything was new. One whose job somebody else holds stays as it is until the next time."""
    move, stage = one.move, one.stage
    if stage.state == move.state:
        return False
    # What the planner and drains want is still wanted: such a job stops all the same, and goes on elsewhere.
    asked = move.origin == MoveOrigin.ASKED
    if asked and stage.is_over and not move.attempt.ended_at and not take_back(move, wait=wait):
        return False
    move.state, move.message, move.stopped_at = stage.state, stage.message, move.attempt.ended_at
    if one.after is not None:
        move.placed_at, move.nodes = one.after.created_at, list(_nodes_of(one.after))
    if stage.is_over:
        close(move)
    else:
        move.save(update_fields=WRITTEN)
    return True


def close(move: JobMove, actor: str = "") -> None:
    """The move is over, as its state says: what was kept for its job is everybody's."""
    move.closed_at = database_now()
    move.save(update_fields=WRITTEN)
    message = move.message or f"Moved from {', '.join(move.sources)} to {', '.join(move.nodes)}."
    data = {"migration": move.pk}
    transitions.note([move.job_id], EVENTS[MoveState(move.state)], message=message, data=data, actor=actor)
    publishing.request_cycle()


def take_back(move: JobMove, *, wait: bool = True) -> bool:
    """Let a job that is still being stopped for the move go on where it is, if its nodes have not begun with that.

    Else it goes back in line once it has stopped, as does a gang that has lost a member to it. False if the job is held
    by somebody else, and was not waited for.
    """
    ours = Job.objects.select_for_update(no_key=True, skip_locked=not wait).filter(pk=move.job_id)
    job = ours.only("desired", "attempt").first()
    if job is None:
        return False
    if job.desired == PREEMPT and job.attempt == move.attempt.number:
        lost = Attempt.objects.filter(pk=move.attempt_id, ended_at__isnull=True).exclude(end_reason="").exists()
        Job.objects.filter(pk=job.pk).update(desired=END if lost else RUN)
        remote_control.notify([job.pk])
    return True
