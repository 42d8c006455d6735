"""What people do to jobs that exist: cancel, requeue, pause, suspend, resume, hold, release, change.

All of them agree on three things. A wish that is on its way already is granted again, and changes nothing. What has
nothing left to do is refused with the state that the job is in. Of two wishes the later one counts, but nothing takes
back a cancellation. Rights are checked by the doors.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Extract, Now

from jobs import completion, gangs, hailing, line_moves, publishing, transitions
from jobs.claims import Ticket
from jobs.endings import Ending
from jobs.line_moves import NOTHING_PROMISED, RELEASED, UNSTARTED, in_line_again
from jobs.models import Job, Placement, Queue
from jobs.wishes import CANCEL, NOTHING, PAUSE, REQUEUE
from scheduling import priorities
from scheduling.errors import ConflictError, FieldError, InvalidError, NotFoundError
from scheduling.lifecycle import PLACED_STATES, TERMINAL_STATES, EndReason, JobState, PlacementState

ALWAYS_CHANGEABLE = frozenset({"name", "labels"})
CHANGEABLE_WHILE_WAITING = frozenset(
    {
        "priority", "queue", "max_runtime_seconds", "estimated_runtime_seconds", "stall_seconds",
        "stall_action", "grace_seconds", "deadline", "checkpointable", "preemptible", "max_retries",
    }
)  # fmt: skip


@transaction.atomic
def cancel(*, job_id: int, actor: str) -> Job:
    """End the job: at once if it waits; if it runs, its node stops it (SIGTERM, a grace period, SIGKILL).

    Cancelling a job that is being cancelled changes nothing. Raises ConflictError when it has ended already.
    """
    job = _locked(job_id)
    _refuse_over(job)
    if job.state in UNSTARTED:
        transitions.apply([line_moves.cancelled(job, actor)])
        publishing.request_cycle()
    elif job.desired != CANCEL:
        _stop(job, CANCEL, actor, EndReason.CANCELLED, f"Cancelled by {actor}.")
    return _fresh(job_id)


@transaction.atomic
def requeue(*, job_id: int, actor: str) -> Job:
    """Put the job back in line with all its retries, also one that ended or is paused; one that runs is stopped first.

    Requeueing a job that is being requeued changes nothing. Raises ConflictError for one that waits or is being cancelled.
    """
    job = _locked(job_id)
    _refuse_cancelled(job)
    if job.state == JobState.PENDING:
        raise ConflictError(f"Job {job_id} is {job.state} already.", state=job.state)
    if job.state not in PLACED_STATES:
        transitions.apply([line_moves.requeued(job, actor)])
        publishing.request_cycle()
    elif job.desired != REQUEUE:
        _stop(job, REQUEUE, actor, EndReason.PREEMPTED, f"Requeued by {actor}.")
    return _fresh(job_id)


@transaction.atomic
def pause(*, job_id: int, actor: str) -> Job:
    """Have the job rest until it is resumed: at once if it waits; if it runs, its node stops it as for a preemption.

    What it held is free then, and no retry is used up; one that completes in its grace is completed. Pausing a job that is
    being paused changes nothing. Raises ConflictError for a job that has ended, is paused, or is being cancelled.
    """
    job = _locked(job_id)
    _refuse_over(job)
    _refuse_cancelled(job)
    if job.state == JobState.PAUSED:
        raise ConflictError(f"Job {job_id} is paused already.", state=job.state)
    if job.state == JobState.PENDING:
        transitions.apply([line_moves.paused(job, actor)])
        publishing.request_cycle()
    elif job.desired != PAUSE:
        _stop(job, PAUSE, actor, EndReason.PAUSED, f"Paused by {actor}.")
    return _fresh(job_id)


@transaction.atomic
def suspend(*, job_id: int, actor: str) -> Job:
    """Have a running job stand still where it is (SIGSTOP): it keeps what it holds, and the time of its limit stops.

    Raises ConflictError for a job that does not run, is suspended, or is being stopped.
    """
    job = _locked(job_id)
    if job.state != JobState.RUNNING or job.desired:
        doing = f"being stopped ({job.desired})" if job.desired else job.state
        raise ConflictError(f"Job {job_id} is {doing}: only a running job can be suspended.", state=job.state)
    if job.suspended:
        raise ConflictError(f"Job {job_id} is suspended already.", state=job.state)
    Job.objects.filter(pk=job_id).update(suspended_at=Now())
    transitions.note([job_id], "suspended", actor=actor)
    hailing.hail(job_id)
    return _fresh(job_id)


@transaction.atomic
def resume(*, job_id: int, actor: str) -> Job:
    """Let a paused job wait in line again, or a suspended one go on.

    A job that is still being paused is not paused after all if its node has not begun with that; else it goes back in line
    as soon as it has stopped. Its age in line does not count the time for which it was paused. Raises ConflictError for
    all other jobs.
    """
    job = _locked(job_id)
    if job.state == JobState.PAUSED:
        transitions.apply([line_moves.resumed(job, actor)])
        publishing.request_cycle()
    elif job.desired == PAUSE:
        _take_back_pause(job, actor)
    elif job.suspended:
        _wake(job)
        transitions.note([job_id], "resumed", actor=actor)
        hailing.hail(job_id)
    else:
        raise ConflictError(f"Job {job_id} is {job.state}, and neither paused nor suspended.", state=job.state)
    return _fresh(job_id)


@transaction.atomic
def hold(*, job_id: int, actor: str, reason: str = "") -> Job:
    """Keep a waiting job from being started until somebody releases it. Meanwhile it gains no age in line.

    Raises ConflictError for a job that does not wait in line, or is held.
    """
    job = _locked(job_id)
    if job.state != JobState.PENDING:
        raise ConflictError(f"Job {job_id} is {job.state}: only a job that waits can be held.", state=job.state)
    if job.held_at is not None:
        raise ConflictError(f"Job {job_id} is held already, by {job.held_by}.", state=job.state)
    Job.objects.filter(pk=job_id).update(
        held_at=Now(), held_by=actor, held_reason=reason, out_of_line_since=Now(), **NOTHING_PROMISED
    )
    transitions.note([job_id], "held", actor=actor, message=reason)
    publishing.request_cycle()
    return _fresh(job_id)


@transaction.atomic
def release(*, job_id: int, actor: str) -> Job:
    """End a hold. A paused job that was held stays paused. Raises ConflictError for a job that is not held."""
    job = _locked(job_id)
    if job.held_at is None:
        raise ConflictError(f"Job {job_id} is not held: it is {job.state}.", state=job.state)
    older = {} if job.state == JobState.PAUSED else in_line_again(job)
    Job.objects.filter(pk=job_id).update(**RELEASED, **older)
    transitions.note([job_id], "released", actor=actor)
    publishing.request_cycle()
    return _fresh(job_id)


@transaction.atomic
def change(*, job_id: int, actor: str, **fields: Any) -> Job:
    """Change a job's name and labels at any time, and its place in line while it waits.

    Raises InvalidError for a field that cannot be changed and ConflictError for one that cannot be changed any more.
    """
    job = _locked(job_id)
    _refuse_unchangeable(job, fields)
    columns = _columns(fields)
    before = {name: _plain(getattr(job, name)) for name in columns}
    changed = {name: _plain(value) for name, value in columns.items() if before[name] != _plain(value)}
    if changed:
        # What was promised, was promised to the job as it stood in line.
        kept = {} if changed.keys() <= ALWAYS_CHANGEABLE else {"promised": False}
        Job.objects.filter(pk=job_id).update(**columns, **kept)
        transitions.note(
            [job_id], "changed", actor=actor, data={"from": {name: before[name] for name in changed}, "to": changed}
        )
        publishing.request_cycle()
    return _fresh(job_id)


def _locked(job_id: int) -> Job:
    job = Job.objects.select_for_update(no_key=True).filter(pk=job_id).first()
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    return job


def _fresh(job_id: int) -> Job:
    return Job.objects.select_related("project", "queue", "owner", "node").get(pk=job_id)


def _refuse_over(job: Job) -> None:
    if job.state in TERMINAL_STATES:
        raise ConflictError(f"Job {job.pk} has ended already: it is {job.state}.", state=job.state)


def _refuse_cancelled(job: Job) -> None:
    if job.desired == CANCEL:
        raise ConflictError(f"Job {job.pk} is being cancelled.", state=job.state)


def _stop(job: Job, wish: str, actor: str, reason: EndReason, message: str) -> None:
    """Have its nodes stop the job; where nobody has claimed it yet, there is nothing to wait for."""
    _wake(job)
    Job.objects.filter(pk=job.pk).update(desired=wish)
    transitions.note([job.pk], f"{wish}_requested", actor=actor)
    if job.state == JobState.QUEUED:
        _end_unclaimed(job, reason, message)
    hailing.hail(job.pk)


def _take_back_pause(job: Job, actor: str) -> None:
    """Whoever has not heard of it goes on. A gang that has lost a member to it ends, and is in line again with that."""
    ending = job.attempts.filter(ended_at__isnull=True).exclude(end_reason="").exists()
    Job.objects.filter(pk=job.pk).update(desired=gangs.END if ending else NOTHING)
    transitions.note([job.pk], "resumed", actor=actor, message="While it was still being paused.")
    hailing.hail(job.pk)


def _wake(job: Job) -> None:
    """End a suspension: neither its limit nor the watch for stalls counts the time for which the job stood still."""
    if job.suspended_at is not None:
        still = Now() - F("suspended_at")
        Job.objects.filter(pk=job.pk).update(
            suspended_at=None,
            suspended_seconds=F("suspended_seconds") + Extract(still, "epoch"),
            progress_at=ExpressionWrapper(F("progress_at") + still, output_field=DateTimeField()),
        )


def _end_unclaimed(job: Job, reason: EndReason, message: str) -> None:
    """Close those placements that no agent has claimed; a claim that comes later finds them closed."""
    rows = Placement.objects.filter(attempt__job=job, state=PlacementState.PLACED).select_related("attempt")
    tickets = [Ticket(row.pk, str(row.attempt.token)) for row in rows]
    completion.finish([Ending(ticket, reason, message=message, charged=False) for ticket in tickets])


def _refuse_unchangeable(job: Job, fields: Mapping[str, Any]) -> None:
    unknown = [name for name in fields if name not in ALWAYS_CHANGEABLE | CHANGEABLE_WHILE_WAITING]
    if unknown:
        raise InvalidError([FieldError(name, "Cannot be changed after submission.", "fixed") for name in unknown])
    late = sorted(set(fields) & CHANGEABLE_WHILE_WAITING)
    if late and job.state not in UNSTARTED:
        raise ConflictError(
            f"Job {job.pk} is {job.state}: {', '.join(late)} can only be changed while it waits.", state=job.state
        )


def _columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(fields)
    if "priority" in columns:
        columns["priority"] = priorities.number_of(columns["priority"])
    if "queue" in columns:
        columns["queue_id"] = _open_queue(columns.pop("queue")).pk
    return columns


def _open_queue(name: str | Queue) -> Queue:
    queue = name if isinstance(name, Queue) else Queue.objects.filter(name=name).first()
    if queue is None:
        raise InvalidError([FieldError("queue", f"There is no queue {name!r}.", "unknown")])
    if queue.state == Queue.State.DRAINING:
        raise InvalidError([FieldError("queue", f"Queue {queue.name} is draining and takes no new jobs.", "draining")])
    return queue


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)
