"""What a job's queue has against it when it is submitted."""

from collections.abc import Collection, Mapping

from django.contrib.auth.models import User
from django.db.models import Count

from jobs.models import Job, Queue
from scheduling import priorities
from scheduling.errors import FieldError, InvalidError
from scheduling.lifecycle import JobState
from scheduling.reasons import quantity
from scheduling.resources import Request
from scheduling.sharing.queue_limits import QueueLimits


def state_faults(name: str, queue: Queue | None) -> list[FieldError]:
    if queue is None:
        names = ", ".join(Queue.objects.values_list("name", flat=True))
        return [FieldError("queue", f"There is no queue {name!r}. The queues are: {names}.", "unknown")]
    if queue.state == Queue.State.DRAINING:
        return [FieldError("queue", f"Queue {name} is draining and takes no new jobs.", "draining")]
    return []


def limit_faults(
    limits: QueueLimits,
    request: Request,
    *,
    runtime: int | None,
    priority: int | str,
    role: str,
    chain: Collection[str],
) -> list[FieldError]:
    """`role` is the owner's in the job's project; `chain` that project and all above it."""
    return [
        *limits.refuses_project(chain),
        *limits.refuses_size(request),
        *limits.refuses_runtime(runtime),
        *limits.refuses_priority(_number(priority), role),
    ]


def _number(priority: int | str) -> int:
    """One that cannot be is refused by itself."""
    try:
        return priorities.number_of(priority)
    except InvalidError:
        return 0


def refuse_crowd(new: Mapping[str, int], queues: Mapping[str, Queue], owner: User) -> None:
    """Raise InvalidError where so many new jobs of the owner are more than a queue lets a user have waiting."""
    limited = {name: most for name in new if (most := queues[name].max_waiting_per_user) is not None}
    if not limited:
        return
    own = Job.objects.filter(owner=owner, state=JobState.PENDING, queue__name__in=limited)
    waiting = dict(own.order_by().values_list("queue__name").annotate(count=Count("pk")))
    faults = [
        FieldError("queue", _too_many(name, most, waiting.get(name, 0)), "quota")
        for name, most in limited.items()
        if waiting.get(name, 0) + new[name] > most
    ]
    if faults:
        raise InvalidError(faults)


def _too_many(name: str, most: int, waiting: int) -> str:
    return f"Queue {name} allows a user {quantity('waiting_jobs', most)} ({waiting} now)."
