"""The only code that changes a job's state: by compare-and-set, with an event in the same transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from jobs.models import Job, JobEvent, Workload
from scheduling.lifecycle import TERMINAL_STATES, JobState, may_move
from scheduling.workloads import Wanted

MESSAGE_LENGTH = 2000
# A node whose clock is wrong cannot have begun before it was asked to, nor later than now.
WRITE_STARTS = """
    UPDATE jobs_job SET started_at = coalesce(
        jobs_job.started_at, least(greatest(said.started_at, jobs_job.queued_at), statement_timestamp())
    )
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS said (job_id, started_at)
    WHERE jobs_job.id = said.job_id
"""


@dataclass(frozen=True, slots=True)
class Transition:
    """One wanted change of state.

    It happens only if the job is in one of `expected` and, where `attempt` is given, if that is still the job's
    attempt: a stale attempt moves nothing. `unless_held`: nor does a job that somebody or its workload holds back; `revision`: nor one that has another by now. `changes` are further columns of the job, written with the state.
    `started_at` says when the command began to run; a job that is still assigned then passes through running on its
    way, so that the history of a command whose end is reported with its start is whole.
    """

    job_id: int
    to: JobState
    kind: str
    expected: frozenset[JobState]
    attempt: int | None = None
    next_attempt: bool = False
    unless_held: bool = False
    revision: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a job was before its move, and the number of the attempt that the move belongs to."""

    job_id: int
    was: JobState
    attempt: int
    held: bool = False
    workload: int | None = None
    revision: int = 0


def apply(moves: Sequence[Transition]) -> dict[int, Applied]:
    """Make those of `moves` that are still allowed, all in one transaction; returns them by job.

    A job may appear once. Rows are locked in the order of their ids, so that two callers never wait in a circle.
    """
    wanted = {move.job_id: move for move in moves}
    with transaction.atomic(savepoint=False):
        locked: Mapping[int, Applied] = _lock(wanted)
        if any(move.unless_held for move in moves):
            locked = _held_by_workloads(locked)
        moved = {job_id: found for job_id, found in locked.items() if _still_true(wanted[job_id], found)}
        accepted = [wanted[job_id] for job_id in moved]
        _write_jobs(accepted)
        result = {move.job_id: _numbered(move, moved[move.job_id]) for move in accepted}
        JobEvent.objects.bulk_create(event for move in accepted for event in _events(move, result[move.job_id]))
    return result


def note(
    job_ids: Iterable[int], kind: str, *, message: str = "", data: Mapping[str, Any] | None = None, actor: str = ""
) -> None:
    """Record something that happened to jobs without changing their state."""
    JobEvent.objects.bulk_create(
        JobEvent(job_id=job_id, kind=kind, message=message[:MESSAGE_LENGTH], data=data or {}, actor=actor)
        for job_id in job_ids
    )


def _lock(job_ids: Iterable[int]) -> dict[int, Applied]:
    rows = Job.objects.select_for_update(no_key=True).filter(pk__in=list(job_ids)).order_by("pk")
    return {
        job_id: Applied(job_id, JobState(state), attempt, held_at is not None, workload, revision)
        for job_id, state, attempt, held_at, workload, revision in rows.values_list(
            "pk", "state", "attempt", "held_at", "workload", "revision"
        )
    }


def _held_by_workloads(locked: Mapping[int, Applied]) -> Mapping[int, Applied]:
    """Asked once the jobs are locked: whoever stops a workload after this finds its jobs moved."""
    workloads = {found.workload for found in locked.values() if found.workload is not None}
    if not workloads:
        return locked
    stopped = set(Workload.objects.filter(pk__in=workloads).exclude(wanted=Wanted.OPEN).values_list("pk", flat=True))
    return {
        job_id: replace(found, held=True) if found.workload in stopped else found for job_id, found in locked.items()
    }


def _still_true(move: Transition, found: Applied) -> bool:
    steps = [*_path(move, found.was), move.to]
    return (
        found.was in move.expected
        and all(may_move(old, new) for old, new in pairwise(steps))
        and (move.attempt is None or move.attempt == found.attempt)
        and not (move.unless_held and found.held)
        and (move.revision is None or move.revision == found.revision)
    )


def _path(move: Transition, was: JobState) -> list[JobState]:
    """The states that the job leaves on its way, the first being what it was."""
    passes = move.started_at is not None and was == JobState.ASSIGNED and move.to != JobState.RUNNING
    return [was, JobState.RUNNING] if passes else [was]


def _numbered(move: Transition, found: Applied) -> Applied:
    return Applied(found.job_id, found.was, found.attempt + 1) if move.next_attempt else found


def _write_jobs(moves: Sequence[Transition]) -> None:
    """One UPDATE for all moves that write the same values."""
    groups: dict[str, list[Transition]] = defaultdict(list)
    for move in moves:
        groups[f"{move.to} {move.next_attempt} {sorted(move.changes.items())!r}"].append(move)
    for group in groups.values():
        changes = {"state": group[0].to, **group[0].changes}
        if group[0].to not in TERMINAL_STATES:
            changes["finished_at"] = None
        if group[0].next_attempt:
            changes["attempt"] = F("attempt") + 1
        Job.objects.filter(pk__in=[move.job_id for move in group]).update(**changes)
    _write_starts([move for move in moves if move.started_at])


def _write_starts(moves: Sequence[Transition]) -> None:
    """The first start of a job stays, however often it is tried again."""
    if moves:
        with connection.cursor() as cursor:
            cursor.execute(WRITE_STARTS, [[move.job_id for move in moves], [move.started_at for move in moves]])


def _events(move: Transition, moved: Applied) -> list[JobEvent]:
    *before, last = _path(move, moved.was)
    passed = [
        JobEvent(job_id=move.job_id, kind="started", from_state=state, to_state=last, attempt=moved.attempt)
        for state in before
    ]
    return [*passed, _event(move, last, moved)]


def _event(move: Transition, was: JobState, moved: Applied) -> JobEvent:
    return JobEvent(
        job_id=move.job_id,
        kind=move.kind,
        from_state=was,
        to_state=move.to,
        attempt=moved.attempt or None,
        actor=move.actor,
        message=move.message[:MESSAGE_LENGTH],
        data=dict(move.data),
    )
