"""Who is looked at first: those that others were stopped for, those that waited too long, then queue rank and policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.policies.base import default_order
from scheduling.profile import FOREVER
from scheduling.rules import Rules
from scheduling.snapshot import QueueView, Snapshot, WaitingJob

RankAndName: TypeAlias = tuple[int, str]
PolicyLine: TypeAlias = tuple[SchedulingPolicy, list[WaitingJob]]
Bound: TypeAlias = float | Callable[[WaitingJob], float]


@dataclass(frozen=True, slots=True)
class Line:
    """All waiting jobs, the first to start first. The first `ahead` of them go before any policy.

    `alerts` say which policies failed; their jobs stand in the default order: priority, then first come.
    """

    jobs: tuple[WaitingJob, ...]
    ahead: int = 0
    alerts: tuple[str, ...] = ()


def in_order(snapshot: Snapshot, now: float) -> Line:
    """The line of all queues.

    Queues of one rank and one policy form one line. The keys of different policies cannot be compared, so at one rank
    the lines of different policies follow each other by the policy's name. A queue whose policy does not exist starts
    no jobs (see `holds`): any order will do for it.
    """
    ahead, lines = _split(snapshot, now)
    queues = {queue.name: queue for queue in snapshot.queues}
    jobs = ahead
    alerts: list[str] = []
    for rank_and_name in sorted(lines):
        ready, members = lines[rank_and_name]
        ordered, alert = _ordered(ready, members, queues, now)
        jobs = [*jobs, *ordered]
        alerts += alert
    return Line(tuple(jobs), len(ahead), tuple(alerts))


def _split(snapshot: Snapshot, now: float) -> tuple[list[WaitingJob], dict[RankAndName, PolicyLine]]:
    """Those that go before any policy; and the others, by the rank and the policy of their queue.

    First the jobs that others were stopped for: the room that was made is theirs. Then those that have waited for the
    bounded wait or longer, first come first served; only the oldest of them, or an overloaded platform, where sooner or
    later everybody is overdue, would know no other order any more. Whoever is held takes none of these places.
    """
    fallback = policy(snapshot.rules.policy)
    found: dict[RankAndName, PolicyLine] = {}
    by_queue: dict[str, tuple[PolicyLine, Bound]] = {}
    for queue in snapshot.queues:
        own = POLICIES.get(queue.policy, fallback)
        key = (-queue.rank, own.name)
        line = found.setdefault(key, (prepared(own, snapshot, now), []))
        by_queue[queue.name] = (line, _bound(line[0], snapshot.rules))
    promised: list[WaitingJob] = []
    overdue: list[WaitingJob] = []
    for job in snapshot.waiting:
        (_, members), bound = by_queue[job.queue]
        if job.promised:
            promised.append(job)
        elif not job.held and now - job.submitted_at >= (bound if isinstance(bound, float) else bound(job)):
            overdue.append(job)
        else:
            members.append(job)
    overdue.sort(key=_first_come)
    for job in overdue[snapshot.rules.overdue_ahead :]:
        by_queue[job.queue][0][1].append(job)
    ahead = [*sorted(promised, key=_first_come), *overdue[: snapshot.rules.overdue_ahead]]
    return ahead, {key: line for key, line in found.items() if line[1]}


def _first_come(job: WaitingJob) -> tuple[float, int]:
    return (job.submitted_at, job.id)


def prepared(one: SchedulingPolicy, snapshot: Snapshot, now: float) -> SchedulingPolicy:
    """The policy, ready for this snapshot; one that fails at that fails again when it is asked for its order."""
    try:
        return one.prepare(snapshot, now)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the cycle has to go on
        return _Failed(one.name, error)


def _bound(ready: SchedulingPolicy, rules: Rules) -> Bound:
    """After how long a wait a job goes ahead: one number for all jobs, or the policy's word on each."""
    if type(ready).bound_seconds is SchedulingPolicy.bound_seconds:
        return FOREVER if rules.bounded_wait_seconds is None else float(rules.bounded_wait_seconds)
    return ready.bound_seconds


class _Failed(SchedulingPolicy):
    """Stands for a policy that could not be prepared."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        self._error = error

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> float:  # noqa: ARG002 - it has no order
        raise self._error


def _ordered(
    ready: SchedulingPolicy, jobs: list[WaitingJob], queues: dict[str, QueueView], now: float
) -> tuple[Sequence[WaitingJob], Sequence[str]]:
    """A policy is anybody's code: whatever it does wrong, no job is lost by it."""
    try:
        return ready.line(jobs, queues, now), ()
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the cycle has to go on
        alert = (
            f"Policy {ready.name!r} failed ({type(error).__name__}: {error}); its jobs go by priority, then first come."
        )
        return default_order(jobs), (alert,)
