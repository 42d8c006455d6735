"""What people do to jobs that exist: cancel, requeue, change. Rights are checked by the doors."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from jobs import completion, publishing, transitions
from jobs.claims import Ticket
from jobs.endings import Ending
from jobs.models import Job, Placement, Queue
from jobs.transitions import Move
from scheduling import priorities
from scheduling.errors import ConflictError, FieldError, InvalidError, NotFoundError
from scheduling.lifecycle import TERMINAL_STATES, EndReason, JobState, PlacementState
from scheduling.reasons import NEW

UNSTARTED = frozenset({JobState.PENDING, JobState.PAUSED})
ON_A_NODE = frozenset({JobState.ASSIGNED, JobState.RUNNING})
ALWAYS_CHANGEABLE = frozenset({"name", "labels"})
CHANGEABLE_WHILE_WAITING = frozenset(
    {
        "priority", "queue", "max_runtime_seconds", "estimated_runtime_seconds", "stall_seconds",
        "stall_action", "deadline", "checkpointable", "preemptible", "max_retries",
    }
)  # fmt: skip


@transaction.atomic
def cancel(*, job_id: int, actor: str) -> Job:
    """End the job: at once if it waits; if it runs, its node stops it (SIGTERM, a grace period, SIGKILL).

    Cancelling a job that is being cancelled changes nothing. Raises ConflictError when it has ended already.
    """
    job = _locked(job_id)
    if job.state in TERMINAL_STATES:
        raise ConflictError(f"Job {job_id} has ended already: it is {job.state}.", state=job.state)
    if job.state in UNSTARTED:
        _end_waiting(job, actor)
    elif job.desired != "cancel":
        _wish(job, "cancel", actor)
        if job.state == JobState.QUEUED:
            _end_unclaimed(job, EndReason.CANCELLED, f"Cancelled by {actor}.")
    return _fresh(job_id)


@transaction.atomic
def requeue(*, job_id: int, actor: str) -> Job:
    """Put the job back in line, with all its retries: one that ended waits again, one that runs is stopped first.

    Raises ConflictError for a job that waits already or is being cancelled.
    """
    job = _locked(job_id)
    if job.state in UNSTARTED or job.desired == "cancel":
        doing = "is being cancelled" if job.desired == "cancel" else f"is {job.state} already"
        raise ConflictError(f"Job {job_id} {doing}.", state=job.state)
    if job.state in TERMINAL_STATES:
        transitions.apply([_again(job, actor)])
        publishing.request_cycle()
    elif job.state == JobState.QUEUED:
        _wish(job, "requeue", actor)
        _end_unclaimed(job, EndReason.PREEMPTED, f"Requeued by {actor}.")
    else:
        _wish(job, "requeue", actor)
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


def _end_waiting(job: Job, actor: str) -> None:
    transitions.apply(
        [
            Move(
                job_id=job.pk,
                to=JobState.CANCELLED,
                kind="cancelled",
                expected=UNSTARTED,
                changes={
                    "finished_at": Now(),
                    "end_reason": EndReason.CANCELLED,
                    "message": f"Cancelled by {actor} before it started.",
                    "reasons": [],
                    "promised": False,
                },
                message=f"Cancelled by {actor} before it started.",
                actor=actor,
            )
        ]
    )
    publishing.request_cycle()


def _end_unclaimed(job: Job, reason: EndReason, message: str) -> None:
    """Close those placements that no agent has claimed; a claim that comes later finds them closed."""
    rows = Placement.objects.filter(attempt__job=job, state=PlacementState.PLACED).select_related("attempt")
    tickets = [Ticket(row.pk, str(row.attempt.token)) for row in rows]
    completion.finish([Ending(ticket, reason, message=message, charged=False) for ticket in tickets])


def _wish(job: Job, wish: str, actor: str) -> None:
    Job.objects.filter(pk=job.pk).update(desired=wish)
    transitions.note([job.pk], f"{wish}_requested", actor=actor)


def _again(job: Job, actor: str) -> Move:
    return Move(
        job_id=job.pk,
        to=JobState.PENDING,
        kind="requeued",
        expected=TERMINAL_STATES,
        changes={
            "reasons": [NEW.as_data()],
            "retries_used": 0,
            "platform_retries_used": 0,
            "not_before": None,
            "node_id": None,
            "exit_code": None,
            "end_reason": "",
            "message": "",
            "progress": None,
            "progress_at": None,
            "started_at": None,
            "queued_at": None,
        },
        actor=actor,
    )


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
