"""What people do to jobs that exist: cancel, requeue, pause, suspend, resume, hold, release, change.

All of them agree on three things. A wish that is on its way already is granted again, and changes nothing. What has
nothing left to do is refused with the state that the job is in. Of two wishes the later one counts, but nothing takes
back a cancellation. Rights are checked by the doors. `bulk.py` asks the same of many jobs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.utils import timezone

from jobs.control import granting, verbs
from jobs.control.verbs import ALWAYS_CHANGEABLE, ActionRequest, Verb
from jobs.models import Job, Queue
from jobs.state import begin
from scheduling import priorities
from scheduling.errors import ConflictError, FieldError, InvalidError, NotFoundError

CHANGEABLE_WHILE_WAITING = frozenset(
    {
        "priority", "queue", "max_runtime_seconds", "estimated_runtime_seconds", "stall_seconds",
        "stall_action", "deadline", "checkpointable", "preemptible", "max_retries", "on_dependency_failure",
        "grace_seconds", "begin_at",
    }
)  # fmt: skip


def cancel(*, job_id: int, actor: str, reason: str = "") -> Job:
    """End the job: at once if it waits; if it runs, its node stops it (SIGTERM, a grace period, SIGKILL).

    Cancelling a job that is being cancelled changes nothing. Raises ConflictError when it has ended already.
    """
    return _grant(verbs.cancel, job_id, ActionRequest(actor, reason=reason))


def requeue(*, job_id: int, actor: str, reason: str = "") -> Job:
    """Put the job back in line with all its retries, also one that ended or is paused; one that runs is stopped first.

    Requeueing a job that is being requeued changes nothing. Raises ConflictError for one that waits, is being cancelled, or
    would end again at once because of what it depends on.
    """
    return _grant(verbs.requeue, job_id, ActionRequest(actor, reason=reason))


def pause(*, job_id: int, actor: str, reason: str = "") -> Job:
    """Have the job rest until it is resumed: at once if it waits; if it runs, its node stops it as for a preemption.

    What it held is free then, and no retry is used up; one that completes in its grace is completed. Pausing a job that is
    being paused changes nothing. Raises ConflictError for a job that has ended, is paused, or is being cancelled.
    """
    return _grant(verbs.pause, job_id, ActionRequest(actor, reason=reason))


def suspend(*, job_id: int, actor: str, reason: str = "") -> Job:
    """Have a running job stand still where it is (SIGSTOP): it keeps what it holds, and the time of its limit stops.

    Raises ConflictError for a job that does not run, is suspended, or is being stopped.
    """
    return _grant(verbs.suspend, job_id, ActionRequest(actor, reason=reason))


def resume(*, job_id: int, actor: str) -> Job:
    """Let a paused job wait in line again, or a suspended one go on.

    A job that is still being paused is not paused after all if its node has not begun with that; else it goes back in line
    as soon as it has stopped. Its age in line does not count the time for which it was paused. Raises ConflictError for
    all other jobs.
    """
    return _grant(verbs.resume, job_id, ActionRequest(actor))


def hold(*, job_id: int, actor: str, reason: str = "") -> Job:
    """Keep a waiting job from being started until somebody releases it. Meanwhile it gains no age in line.

    Raises ConflictError for a job that does not wait in line, or is held.
    """
    return _grant(verbs.hold, job_id, ActionRequest(actor, reason=reason))


def release(*, job_id: int, actor: str) -> Job:
    """End a hold. A paused job that was held stays paused. Raises ConflictError for a job that is not held."""
    return _grant(verbs.release, job_id, ActionRequest(actor))


def change_columns(
    *,
    job_id: int,
    actor: str,
    columns: Mapping[str, Any],
    beside: Mapping[str, Any] = MappingProxyType({}),
    reason: str = "",
) -> Job:
    """Change a job's name and labels at any time, all else while it waits: these columns, which somebody else has judged.

    `beside` are not told in its history. Raises ConflictError for what cannot be changed any more.
    """
    return _grant(verbs.change, job_id, ActionRequest(actor, reason=reason, columns=columns, beside=beside))


@transaction.atomic
def _grant(verb: Verb, job_id: int, asked: ActionRequest) -> Job:
    answer = granting.grant([job_id], verb, asked).get(job_id)
    if answer is None:
        raise NotFoundError(f"There is no job {job_id}.")
    job = Job.objects.select_related("project", "queue", "owner", "node").get(pk=job_id)
    if answer.refusal:
        raise ConflictError(answer.refusal, state=job.state)
    return job


def columns_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns behind what is to be changed; raises InvalidError for what cannot be changed, or not to that."""
    unknown = [name for name in fields if name not in ALWAYS_CHANGEABLE | CHANGEABLE_WHILE_WAITING]
    if unknown:
        raise InvalidError([FieldError(name, "Cannot be changed after submission.", "fixed") for name in unknown])
    columns = dict(fields)
    wrong = list(begin.faults(columns.get("begin_at"), columns.get("deadline"), timezone.now()))
    if wrong:
        raise InvalidError(wrong)
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
