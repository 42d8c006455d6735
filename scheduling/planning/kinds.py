"""What each waiting job of one planning pass is alike to: its queue, the quotas that count for it, the nodes closed to it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.nodes.lifetimes import Lifetimes, goes_on_elsewhere
from scheduling.nodes.profile import FOREVER
from scheduling.placement.own_first import Kept, kept_for
from scheduling.planning.eligibility import queue_holds
from scheduling.planning.quota_levels import QuotaLevels
from scheduling.planning.reservations import Windows
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.resources import ZERO, Request
from scheduling.sharing.associations import Associations
from scheduling.sharing.ledger import Levels
from scheduling.sharing.model_quotas import ModelQuotas, counted
from scheduling.sharing.quota_profile import Part, count_of, limit_of, limits_of, limits_of_queue
from scheduling.sharing.quotas import Usage
from scheduling.snapshot import Allocation, ProjectView, RunningJob, Snapshot, WaitingJob, chain_of

NO_WINDOWS: Windows = {}
NOTHING_KEPT: Kept = ()
ALWAYS = ((0.0, FOREVER),)
OfProject: TypeAlias = tuple[tuple[ProjectView, ...], Windows, Kept]
Alike: TypeAlias = tuple[str, str, Request, bool, tuple[str, ...], bool, bool]
"""Queue, project, request, whether it borrows nothing, where a user's limits, or a workload's, count it; whether it stands
apart for that it has no limit, and whether it goes on elsewhere."""


class Kinds:
    """Worked out once for each kind of job, however many there are."""

    def __init__(
        self, snapshot: Snapshot, now: float, free: FreeNodes, levels: QuotaLevels, *, endless_apart: bool = False
    ) -> None:
        """`endless_apart`: jobs without a limit are no class of those that have one, as nobody counts on their end."""
        self._endless_apart = endless_apart
        self._free = free
        self._quotas = levels
        self._cohorts = levels.cohorts
        self._projects = levels.projects
        self._queues = {queue.name: queue for queue in snapshot.queues}
        self._limited = {one.name for one in snapshot.queues if one.max_running is not None or queue_holds(one, 0)}
        self._alike: dict[Alike, SchedulingClass] = {}
        self._avoid: dict[tuple[Alike, tuple[str, ...]], SchedulingClass] = {}
        self._pins: dict[tuple[Alike, tuple[str, ...]], SchedulingClass] = {}
        self._known: dict[str, OfProject] = {}
        self._same: dict[tuple[object, ...], SchedulingClass] = {}
        self._associations = Associations(self._projects, snapshot.queues, snapshot.workloads)
        self._by_user = bool(self._associations)
        self._models = ModelQuotas(self._projects, snapshot.nodes)
        self._has_parts = self._by_user or bool(self._models)
        self._views = [node.view for node in free.nodes] if self._models else ()
        self._reserved = [one for one in snapshot.reservations if one.end > now]
        self.lifetimes = Lifetimes(free.nodes, now, snapshot.rules)
        self._leaving = bool(self.lifetimes)

    def of(self, job: WaitingJob) -> SchedulingClass:
        if job.avoid or job.pinned:
            return self._pinned(job) if job.pinned else self._avoiding(job)
        # A request is often the same object for many jobs; that is found faster than an equal one.
        identity: tuple[object, ...] = (
            job.queue, job.project, id(job.request), self._cohorts is not None and job.preemptible,
        )  # fmt: skip
        if self._by_user:
            identity = (*identity, job.owner, job.workload)
        if self._endless_apart:
            identity = (*identity, not job.max_runtime_seconds)
        if self._leaving:
            identity = (*identity, goes_on_elsewhere(job))
        found = self._same.get(identity)
        if found is None:
            found = self._same[identity] = self._equal(job)
        return found

    def _equal(self, job: WaitingJob) -> SchedulingClass:
        key = self._key(job)
        found = self._alike.get(key)
        if found is None:
            projects, windows, own = self.of_project(job.project)
            windows = _with_ends(windows, self.lifetimes, goes_on=key[6])
            limits, checks = self._quotas.limits(job.project, firm=key[3])
            queue, count = self._queues[job.queue], count_of(job.request.total)
            if queue.max_running is not None:
                limits = (*limits, *limits_of_queue(queue))
            found = self._alike[key] = SchedulingClass(
                queue, projects, job.request, windows, limits, count, checks, own, firm=key[3]
            )
            found.queue_limits = job.queue in self._limited
            found.limited = bool(projects) or found.queue_limits
            if self._has_parts:
                self._count_parts(job, found)
        return found

    def _count_parts(self, job: WaitingJob, alike: SchedulingClass) -> None:
        models, alike.choice = counted(job.request, self._models.over(job.project), self._views)
        alike.parts = (*self._associations.of(job), *models)
        alike.limits = (*alike.limits, *limits_of(alike.parts))
        alike.limited = alike.limited or bool(alike.parts) or alike.choice is not None

    def counted(self, job: WaitingJob | RunningJob) -> Levels:
        """All whose limits count for the job: projects, what its owner may hold in each and in its queue, GPUs by model."""
        projects = self.of_project(job.project)[0]
        if not self._has_parts:
            return Levels(projects)
        return Levels(projects, (*self._associations.of(job), *self._models.over(job.project)))

    def ways(self, alike: SchedulingClass) -> list[SchedulingClass]:
        """The class on GPUs of each of the models that it may run on; nothing can be kept for it where that is on none alone."""
        found = []
        for quotas, shut in alike.choice.bindings() if alike.choice is not None else ():
            windows = {**alike.windows, **{self._free[name].number: ALWAYS for name in shut}}
            found.append(replace(alike, windows=windows, limits=(*alike.limits, *map(limit_of, quotas)), choice=None))
        nowhere = {node.number: ALWAYS for node in self._free.nodes}
        return found or [replace(alike, windows=nowhere, choice=None)]

    def parts(self, job: WaitingJob | RunningJob, shares: Sequence[Allocation]) -> tuple[Part, ...]:
        """Of which it holds something with these shares: its owner's, and the models of its GPUs."""
        if not self._has_parts:
            return ()
        models = (one for one in self._models.over(job.project) if one.held(shares, ZERO).gpus)
        return (*self._associations.of(job), *models)

    def usage(self, running: Sequence[RunningJob]) -> dict[str, Usage]:
        """What users hold, and GPUs by model, where that is limited."""
        return self._associations.usage(running) | self._models.usage(running)

    def _key(self, job: WaitingJob) -> Alike:
        user = tuple(one.slug for one in self._associations.of(job)) if self._by_user else ()
        apart = self._endless_apart and not job.max_runtime_seconds
        goes_on = self._leaving and goes_on_elsewhere(job)
        return (job.queue, job.project, job.request, self._is_firm(job), user, apart, goes_on)

    def _is_firm(self, job: WaitingJob) -> bool:
        return self._cohorts is not None and not job.preemptible and self._cohorts.borrows(job.project)

    def _avoiding(self, job: WaitingJob) -> SchedulingClass:
        """The same for those that failed on the same nodes: these are closed to them, if there are others to go to."""
        key = (self._key(job), job.avoid)
        found = self._avoid.get(key)
        if found is None:
            able = [node for node in self._free.nodes if could_hold(job.request, node.view)]
            shut = [node for node in able if node.view.name in job.avoid]
            if len(able) - len(shut) < job.request.nodes:
                shut = []
            avoided = frozenset(node.view.name for node in shut)
            found = self._avoid[key] = self._without(shut, job, avoided)
        return found

    def _pinned(self, job: WaitingJob) -> SchedulingClass:
        """All nodes are closed to it but those of its room."""
        own = {share.node for share in job.room}
        key = (self._key(job), tuple(sorted(own)))
        found = self._pins.get(key)
        if found is None:
            found = self._pins[key] = self._without(
                [node for node in self._free.nodes if node.view.name not in own], job
            )
        return found

    def _without(
        self, shut: Iterable[FreeNode], job: WaitingJob, avoided: frozenset[str] = frozenset()
    ) -> SchedulingClass:
        """What it is alike to, if these nodes are closed to it."""
        alike = self._equal(job)
        windows = {**alike.windows, **{node.number: ALWAYS for node in shut}}
        return SchedulingClass(
            alike.queue,
            alike.chain,
            alike.request,
            windows,
            alike.limits,
            alike.count,
            alike.checks,
            alike.own,
            avoided,
            alike.firm,
            limited=alike.limited,
            queue_limits=alike.queue_limits,
            parts=alike.parts,
            choice=alike.choice,
        )

    def of_project(self, slug: str) -> OfProject:
        """The projects whose quotas count for the project's jobs, and when nodes are kept for others and for itself."""
        found = self._known.get(slug)
        if found is None:
            windows, own = NO_WINDOWS, NOTHING_KEPT
            if self._reserved:
                chain = chain_of(slug, self._projects)
                windows, own = self._windows({one.slug for one in chain}), kept_for(chain, self._reserved)
            found = self._known[slug] = (self._quotas.chain(slug), windows, own)
        return found

    def _windows(self, slugs: set[str]) -> Windows:
        """When nodes are kept for others than these projects."""
        windows: dict[int, list[tuple[float, float]]] = {}
        for one in self._reserved:
            for name in one.nodes if one.project not in slugs else ():
                if name in self._free:
                    windows.setdefault(self._free[name].number, []).append((one.start, one.end))
        return windows


def _with_ends(windows: Windows, lifetimes: Lifetimes, *, goes_on: bool) -> Windows:
    """Also when nodes go: from then on they are closed to everybody."""
    if not lifetimes:
        return windows
    ends = lifetimes.windows(goes_on=goes_on)
    return {**windows, **{number: (*windows.get(number, ()), end) for number, end in ends.items()}}
