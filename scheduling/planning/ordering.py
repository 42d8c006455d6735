"""Who is looked at first: those that others were stopped for, those that waited too long, then queue rank and policy."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.planning.candidates import Eligibility, Refusal
from scheduling.planning.eligibility import is_held
from scheduling.planning.standing import as_they_stand
from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.policies.base import default_order
from scheduling.priorities import URGENT_FROM
from scheduling.rules import Rules
from scheduling.run_times import limit_seconds
from scheduling.sharing.ahead.room import AheadRoom
from scheduling.sharing.budgets import BudgetRoom
from scheduling.snapshot import QueueView, Snapshot, WaitingJob

RankAndName: TypeAlias = tuple[int, str]
PolicyLine: TypeAlias = tuple[SchedulingPolicy, list[WaitingJob]]
Ranked: TypeAlias = tuple[int, Sequence[WaitingJob]]
Bound: TypeAlias = float | Callable[[WaitingJob], float]


BUDGET = "its budget"
"""Who holds a job back that no budget pays for."""
QUOTA = "a quota on GPU time ahead"
"""And one that would run too far ahead."""
TWICE = 2
"""A job that has waited for so many bounds goes before urgent jobs of higher queues too."""


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """All waiting jobs, the first to start first. Those in `ahead` go before their policies.

    Those in `ahead_in_line` go before the other jobs of their own line, as they have waited for what its policy has learned.
    `alerts` say which policies failed; their jobs stand in the default order: priority, then first come.
    """

    jobs: tuple[WaitingJob, ...]
    ahead: frozenset[int] = frozenset()
    ahead_in_line: frozenset[int] = frozenset()
    alerts: tuple[str, ...] = ()


class Overdue(NamedTuple):
    """A job that has waited longer than its bound; `twice` as long, if it has."""

    job: WaitingJob
    twice: bool


def order_pending(snapshot: Snapshot, now: float) -> PendingOrder:
    """The line of all queues.

    Queues of one rank and one policy form one line. The keys of different policies cannot be compared, so at one rank
    the lines of different policies follow each other by the policy's name. A queue whose policy does not exist starts
    no jobs (see `eligibility`): any order will do for it.
    """
    world = replace(snapshot, waiting=as_they_stand(snapshot))
    promised, overdue, lines = _split(world, now)
    queues = {queue.name: queue for queue in snapshot.queues}
    ranked: list[Ranked] = []
    alerts: list[str] = []
    ahead_in_line: list[int] = []
    for rank_and_name in sorted(lines):
        ready, members = lines[rank_and_name]
        first, members = _split_line(ready, members, world, now)
        ordered, alert = _ordered(ready, members, queues, now)
        ranked.append((-rank_and_name[0], [*first, *ordered] if first else ordered))
        ahead_in_line += [job.id for job in first]
        alerts += alert
    ahead = frozenset([job.id for job in promised] + [one.job.id for one in overdue])
    jobs = (*promised, *_joined(overdue, ranked, queues))
    if world.waiting is not snapshot.waiting:
        own = {job.id: job for job in snapshot.waiting}
        jobs = tuple([own[job.id] for job in jobs])
    return PendingOrder(jobs, ahead, frozenset(ahead_in_line), tuple(alerts))


def with_unpaid_held(snapshot: Snapshot, now: float) -> Snapshot:
    """With those held back for whom no budget pays, or who run too far ahead, beside those that stand before them in line."""
    budgets, ahead = BudgetRoom.of(snapshot, now), AheadRoom.of(snapshot, now)
    if budgets is None and ahead is None:
        return snapshot
    held: dict[int, str] = {}
    for job in order_pending(snapshot, now).jobs:
        length = limit_seconds(job, snapshot.rules)
        if is_held(job, now):
            continue
        if budgets is not None and not budgets.pays(job.id, job.project, job.request, length):
            held[job.id] = BUDGET
        elif ahead is not None and not ahead.allows(job, job.max_runtime_seconds or FOREVER):
            held[job.id] = QUOTA
        else:
            if budgets is not None:
                budgets.keep(job.id, job.project, job.request, now, length)
            if ahead is not None:
                ahead.keep(job, now, job.max_runtime_seconds or FOREVER)
    waiting = tuple([replace(job, held=held[job.id]) if job.id in held else job for job in snapshot.waiting])
    return replace(snapshot, waiting=waiting) if held else snapshot


def _split(snapshot: Snapshot, now: float) -> tuple[list[WaitingJob], list[Overdue], dict[RankAndName, PolicyLine]]:
    """Those that go before any policy; and the others, by the rank and the policy of their queue.

    First the jobs that others were stopped for: the room that was made is theirs. Then those that have waited for the
    bounded wait or longer, first come first served; only the oldest of them, or an overloaded platform, where sooner or
    later everybody is overdue, would know no other order any more.
    """
    fallback = policy(snapshot.rules.policy)
    found: dict[RankAndName, PolicyLine] = {}
    by_queue: dict[str, tuple[PolicyLine, Bound]] = {}
    for queue in snapshot.queues:
        own = POLICIES.get(queue.policy, fallback)
        key = (-queue.rank, own.name)
        line = found.setdefault(key, (prepared(own, snapshot, now), []))
        by_queue[queue.name] = (line, bound_of(line[0], snapshot.rules))
    promised: list[WaitingJob] = []
    overdue: list[Overdue] = []
    for job in snapshot.waiting:
        (_, members), bound = by_queue[job.queue]
        waited, least = now - job.submitted_at, bound if isinstance(bound, float) else bound(job)
        if job.promised:
            promised.append(job)
        elif waited >= least and not is_held(job, now):
            overdue.append(Overdue(job, waited >= TWICE * least))
        else:
            members.append(job)
    ahead, others = _oldest(overdue, snapshot, now) if overdue else ([], [])
    for one in others:
        by_queue[one.job.queue][0][1].append(one.job)
    return sorted(promised, key=_first_come), ahead, {key: line for key, line in found.items() if line[1]}


def _split_line(
    ready: SchedulingPolicy, members: list[WaitingJob], snapshot: Snapshot, now: float
) -> tuple[list[WaitingJob], list[WaitingJob]]:
    """Those that have waited for the bound that the policy of this line has learned, the oldest of them; and the others.

    They go before their own line only: what is long for one queue says nothing of those above it.
    """
    if not ready.learns_bound:
        return [], members
    overdue: list[Overdue] = []
    others: list[WaitingJob] = []
    for job in members:
        if now - job.submitted_at >= ready.learned_bound_seconds(job) and not is_held(job, now):
            overdue.append(Overdue(job, twice=False))
        else:
            others.append(job)
    first, rest = _oldest(overdue, snapshot, now) if overdue else ([], [])
    return [one.job for one in first], [*others, *(one.job for one in rest)]


def _oldest(overdue: list[Overdue], snapshot: Snapshot, now: float) -> tuple[list[Overdue], list[Overdue]]:
    """Those that go ahead, and the others. Whoever cannot start whatever room there is takes none of the places.

    Those that quotas, queues or budgets refuse come after those that only wait for room, so many under each limit: room would
    not help them now, but when the limit is free it is theirs.
    """
    eligibility, places = Eligibility(snapshot, now), snapshot.rules.overdue_ahead
    first: list[Overdue] = []
    refused: list[Overdue] = []
    others: list[Overdue] = []
    taken: Counter[Refusal] = Counter()
    for one in sorted(overdue, key=lambda one: _first_come(one.job)):
        if len(first) >= places or not eligibility.is_possible(one.job):
            others.append(one)
        elif not (limits := eligibility.refusing(one.job)):
            eligibility.admit(one.job)
            first.append(one)
        elif any(taken[limit] < places for limit in limits):
            eligibility.close(one.job, limits)
            taken.update(limits)
            refused.append(one)
        else:
            others.append(one)
    return [*first, *refused], others


def _joined(overdue: Sequence[Overdue], ranked: Sequence[Ranked], queues: Mapping[str, QueueView]) -> list[WaitingJob]:
    """The overdue jobs and then the others, by rank; but urgent jobs before those overdue that stand in lower queues.

    Not for ever: whoever has waited for twice the bound goes before them too.
    """
    highest = 0  # so many of the ranks have had their urgent jobs go before
    early: set[int] = set()
    line: list[WaitingJob] = []
    for one in sorted(overdue, key=lambda one: not one.twice):
        while not one.twice and highest < len(ranked) and ranked[highest][0] > queues[one.job.queue].rank:
            urgent = [job for job in ranked[highest][1] if job.priority >= URGENT_FROM]
            early.update([job.id for job in urgent])
            line += urgent
            highest += 1
        line.append(one.job)
    for _, jobs in ranked:
        line += [job for job in jobs if job.id not in early] if early else jobs
    return line


def _first_come(job: WaitingJob) -> tuple[float, int]:
    return (job.submitted_at, job.id)


def prepared(one: SchedulingPolicy, snapshot: Snapshot, now: float) -> SchedulingPolicy:
    """The policy, ready for this snapshot; one that fails at that fails again when it is asked for its order."""
    try:
        return one.prepare(snapshot, now)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the cycle has to go on
        return _Failed(one.name, error)


def bound_of(ready: SchedulingPolicy, rules: Rules) -> Bound:
    """After how long a wait a job goes ahead: one number for all jobs, or the policy's word on each."""
    if type(ready).bound_seconds is SchedulingPolicy.bound_seconds:
        stated = rules.bounded_wait_seconds
        bound = rules.usual_bounded_wait_seconds if stated is None else stated
        return FOREVER if bound is None else float(bound)
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
