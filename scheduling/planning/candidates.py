"""Who could start at once if there was room on the nodes, and who could not however much room there was."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from scheduling.nodes.feasibility import could_hold, takes_jobs
from scheduling.nodes.lifetimes import outlasts, stay_seconds
from scheduling.nodes.profile import FOREVER
from scheduling.planning.eligibility import starts_nothing
from scheduling.resources import Request
from scheduling.run_times import limit_seconds
from scheduling.sharing.ahead.room import AheadRoom
from scheduling.sharing.associations import Associations
from scheduling.sharing.budgets import BudgetRoom
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Cells, Ledger
from scheduling.sharing.quota_profile import (
    COHORT,
    NOTHING,
    PART,
    PROJECT,
    QUEUE,
    Count,
    Limit,
    count_of,
    limits_of,
    limits_over,
)
from scheduling.sharing.quotas import Usage, usage_by_project
from scheduling.snapshot import NodeView, Snapshot, WaitingJob, chain_of

Refusal: TypeAlias = Limit | int | str
"""A limit, or a budget by its id, or a level that limits GPU time ahead, by its slug."""
Whose: TypeAlias = tuple[str, str]
"""A user and a workload."""
Kind: TypeAlias = tuple[str, str, Request, bool, Whose]
"""Jobs of one project and one queue that ask for the same, and may borrow quota or not; of one user and workload, where that counts."""
NOBODY: Whose = ("", "")


class Eligibility:
    """Asked of one job after another, the first in line first: those that were admitted count for those that follow."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._running = snapshot.running
        self._nodes = _kinds_of(node for node in snapshot.nodes if takes_jobs(node))
        self._projects = {one.slug: one for one in snapshot.projects}
        self._cohorts = Cohorts.of(snapshot.projects)
        self._queues = {one.name: one for one in snapshot.queues}
        self._shut = {one.name for one in snapshot.queues if starts_nothing(one)}
        self._leave = any(node.leaves_at is not None for node, _ in self._nodes)
        self._held_by_nodes: dict[tuple[Request, float], bool] = {}
        self._possible: dict[Kind, bool] = {}
        self._refused: dict[Kind, list[Limit]] = {}
        self._associations = Associations(self._projects, snapshot.queues, snapshot.workloads)
        self._by_user = bool(self._associations)
        self._limits: dict[tuple[str, str, bool, Whose], tuple[Limit, ...]] = {}
        self._used: dict[Limit, Count] = {}
        self._known: dict[tuple[str, str], Count] | None = None
        self._held: Mapping[str, Usage] | None = None
        self._closed: set[tuple[Limit, str]] = set()
        self._rules = snapshot.rules
        self._now = now
        self._budgets = BudgetRoom.of(snapshot, now)
        self._ahead = AheadRoom.of(snapshot, now)
        self._closed_ahead: set[str] = set()

    def is_possible(self, job: WaitingJob) -> bool:
        """Whether its queue, the nodes that are up, its quotas and budgets would let it start if nothing else ran."""
        if self._budgets is not None and not self._budgets.could_ever_pay(job.project, job.request, self._length(job)):
            return False
        if self._ahead is not None and not self._ahead.could_ever(job, job.max_runtime_seconds or FOREVER):
            return False
        kind = self._kind(job)
        found = self._possible.get(kind)
        if found is None:
            count = count_of(job.request.total)
            within = all(limit.asked(count).fits(limit.most) for limit in self._limits_over(job))
            found = self._possible[kind] = job.queue not in self._shut and within and self._has_nodes(job.request)
        if found and self._leave:
            return self._has_nodes(job.request, stay_seconds(job, self._rules))
        return found

    def may_ever_start(self, job: WaitingJob) -> bool:
        """Whether it could start as things are, once those have ended that it depends on. Whether one fails nobody foretells."""
        return not (job.broken or job.needs_failure or job.held or job.stopped) and self.is_possible(job)

    def refusing(self, job: WaitingJob) -> Sequence[Refusal]:
        """The limits and budgets that refuse it now, beside what runs and those that were admitted, or that are closed."""
        found: list[Refusal] = [*self._refusing_limits(job)]
        if self._budgets is not None:
            lacks = self._budgets.lacks(job.id, job.project, job.request, self._length(job))
            found += {lack.budget.id for lack in lacks}
        if self._ahead is not None:
            lacks_ahead = {lack.level.slug for lack in self._ahead.lacks(job, job.max_runtime_seconds or FOREVER)}
            found += [one.slug for one in self._ahead.over(job) if one.slug in lacks_ahead | self._closed_ahead]
        return found

    def _refusing_limits(self, job: WaitingJob) -> list[Limit]:
        limits = self._limits_over(job)
        if not limits:
            return []
        kind = self._kind(job)
        if kind in self._refused:
            return self._refused[kind]
        count = count_of(job.request.total)
        found = [one for one in limits if self._is_closed(one, count) or not self._sum(one, count).fits(one.most)]
        if found:
            self._refused[kind] = found
        return found

    def admit(self, job: WaitingJob) -> None:
        """From now on it counts as running."""
        if self._budgets is not None:
            self._budgets.started(job.id, job.project, job.request, self._length(job))
        if self._ahead is not None:
            self._ahead.started(job, job.max_runtime_seconds or FOREVER)
        count = count_of(job.request.total)
        for limit in self._limits_over(job):
            self._used[limit] = self._in_use(limit).plus(count)

    def close(self, job: WaitingJob, refusing: Iterable[Refusal]) -> None:
        """What these limits refused to the job they refuse to all that follow and count for the same there.

        A budget may still pay for a smaller job.
        """
        count = count_of(job.request.total)
        for limit in refusing:
            if isinstance(limit, str):
                self._closed_ahead.add(limit)
            if not isinstance(limit, Limit):
                continue
            over = zip(Count._fields, self._sum(limit, count), limit.most, strict=True)
            self._closed |= {(limit, name) for name, needed, most in over if needed > most}

    def _length(self, job: WaitingJob) -> float:
        return limit_seconds(job, self._rules)

    def _is_closed(self, limit: Limit, count: Count) -> bool:
        counted = zip(Count._fields, count, strict=True)
        return bool(self._closed) and any((limit, name) in self._closed for name, own in counted if own)

    def _sum(self, limit: Limit, count: Count) -> Count:
        """What would be in use with it, of the kinds that it counts for."""
        together = self._in_use(limit).plus(limit.asked(count))
        return Count(*(all_of if own else 0 for own, all_of in zip(count, together, strict=True)))

    def _in_use(self, limit: Limit) -> Count:
        found = self._used.get(limit)
        if found is not None:
            return found
        if limit.kind == COHORT and self._cohorts is not None:
            taken = self._cohorts.taken(limit.name, limit.resource, self._usage())
            return NOTHING._replace(**{limit.resource: taken})
        return self._runs().get((limit.kind, limit.name), NOTHING)

    def _runs(self) -> dict[tuple[str, str], Count]:
        if self._known is None:
            in_queues = Counter(job.queue for job in self._running)
            held = self._usage().items()
            self._known = {(PROJECT, slug): count_of(used.amount, used.running_jobs) for slug, used in held}
            self._known |= {(QUEUE, name): Count(0, 0, 0, number) for name, number in in_queues.items()}
            by_user = self._associations.usage(self._running).items()
            self._known |= {(PART, slug): count_of(used.amount, used.running_jobs) for slug, used in by_user}
        return self._known

    def _usage(self) -> Mapping[str, Usage]:
        if self._held is None:
            self._held = (
                usage_by_project(self._running, self._projects)
                if self._cohorts is None
                else Ledger.of(Cells(self._cohorts.tree), self._running)
            )
        return self._held

    def _has_nodes(self, request: Request, stay: float = 0.0) -> bool:
        """Whether there are enough, which stay for so long."""
        found = self._held_by_nodes.get((request, stay))
        if found is None:
            there = (one for one in self._nodes if outlasts(one[0], self._now + stay))
            able = sum(number for node, number in there if could_hold(request, node))
            found = self._held_by_nodes[request, stay] = able >= request.nodes
        return found

    def _limits_over(self, job: WaitingJob) -> tuple[Limit, ...]:
        firm = self._is_firm(job)
        key = (job.project, job.queue, firm, self._whose(job))
        found = self._limits.get(key)
        if found is None:
            chain, users = chain_of(job.project, self._projects), self._associations.of(job)
            limits = limits_over(chain, self._queues[job.queue], self._cohorts, firm=firm)
            found = self._limits[key] = (*limits, *limits_of(users))
        return found

    def _is_firm(self, job: WaitingJob) -> bool:
        return self._cohorts is not None and not job.preemptible

    def _kind(self, job: WaitingJob) -> Kind:
        return job.project, job.queue, job.request, self._is_firm(job), self._whose(job)

    def _whose(self, job: WaitingJob) -> Whose:
        return (job.owner, job.workload) if self._by_user else NOBODY


def _kinds_of(nodes: Iterable[NodeView]) -> list[tuple[NodeView, int]]:
    """One of each kind of machine, and how many there are."""
    found: dict[object, tuple[NodeView, int]] = {}
    for node in nodes:
        labels = sorted(node.labels.items())
        key = (node.cpus, node.memory_mb, node.gpus, node.executor, node.cluster, node.leaves_at, *labels)
        found[key] = (node, found[key][1] + 1 if key in found else 1)
    return list(found.values())
