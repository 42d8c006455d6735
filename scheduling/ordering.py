"""Who is looked at first: those that others were stopped for, those that waited too long, then queue rank and policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.policies.base import default_order
from scheduling.profile import FOREVER
from scheduling.rules import Rules
from scheduling.snapshot import QueueView, Snapshot, WaitingJob


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
    ahead, rest = split_ahead(snapshot.waiting, snapshot.rules, now)
    fallback = policy(snapshot.rules.policy)
    queues = {queue.name: queue for queue in snapshot.queues}
    lines: dict[tuple[int, str], list[WaitingJob]] = {}
    place = {name: (-one.rank, POLICIES.get(one.policy, fallback).name) for name, one in queues.items()}
    for job in rest:
        lines.setdefault(place[job.queue], []).append(job)
    jobs: list[WaitingJob] = list(ahead)
    alerts: list[str] = []
    for rank_and_name in sorted(lines):
        ready = POLICIES[rank_and_name[1]].prepare(snapshot, now)
        ordered, alert = _ordered(ready, lines[rank_and_name], queues, now)
        jobs += ordered
        alerts += alert
    return Line(tuple(jobs), len(ahead), tuple(alerts))


def split_ahead(
    jobs: Iterable[WaitingJob], rules: Rules, now: float
) -> tuple[Sequence[WaitingJob], Sequence[WaitingJob]]:
    """Those that go before any policy, and the others.

    First the jobs that others were stopped for: the room that was made is theirs. Then those that have waited for the
    bounded wait or longer, first come first served.
    """
    since = now - (FOREVER if rules.bounded_wait_seconds is None else rules.bounded_wait_seconds)
    ahead: list[WaitingJob] = []
    rest: list[WaitingJob] = []
    for job in jobs:
        (ahead if job.submitted_at <= since or job.promised else rest).append(job)
    return sorted(ahead, key=lambda job: (not job.promised, job.submitted_at, job.id)), rest


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
