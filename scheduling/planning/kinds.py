"""What each waiting job of one planning pass is alike to: its queue, the quotas that count for it, the nodes closed to it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.nodes.profile import FOREVER
from scheduling.placement.own_first import Kept, kept_for
from scheduling.plan_result import PlannedJob
from scheduling.planning.eligibility import queue_holds
from scheduling.planning.reservations import Windows
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.resources import ZERO, Request
from scheduling.sharing.associations import Associations
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.holders import Holder, Holders
from scheduling.sharing.model_quotas import ModelQuotas, counted
from scheduling.sharing.quota_profile import count_of, limit_of, limits_over
from scheduling.sharing.quotas import Usage, enforced
from scheduling.snapshot import ProjectView, RunningJob, Snapshot, WaitingJob, chain_of
from scheduling.stages import started

NO_WINDOWS: Windows = {}
ALWAYS = ((0.0, FOREVER),)
OfProject: TypeAlias = tuple[tuple[ProjectView, ...], Windows, Kept]
Alike: TypeAlias = tuple[str, str, Request, bool, tuple[str, ...]]
"""Queue, project, request, whether it borrows nothing, and where a user's limits count it."""


class Kinds:
    """Worked out once for each kind of job, however many there are."""

    def __init__(self, snapshot: Snapshot, now: float, free: FreeNodes, cohorts: Cohorts | None) -> None:
        self._free = free
        self._cohorts = cohorts
        self._projects = {one.slug: one for one in snapshot.projects}
        self._queues = {queue.name: queue for queue in snapshot.queues}
        self._limited = {one.name for one in snapshot.queues if one.max_running is not None or queue_holds(one, 0)}
        self._alike: dict[Alike, SchedulingClass] = {}
        self._avoid: dict[tuple[Alike, tuple[str, ...]], SchedulingClass] = {}
        self._pins: dict[tuple[Alike, tuple[str, ...]], SchedulingClass] = {}
        self._known: dict[str, OfProject] = {}
        self._same: dict[tuple[str, str, int, bool, str], SchedulingClass] = {}
        self.associations = Associations(self._projects, snapshot.queues)
        self._by_user = bool(self.associations)
        self.models = ModelQuotas(self._projects, snapshot.nodes)
        self._views = [node.view for node in free.nodes] if self.models else ()
        self._reserved = [one for one in snapshot.reservations if one.end > now]

    def of(self, job: WaitingJob) -> SchedulingClass:
        if job.avoid or job.pinned:
            return self._pinned(job) if job.pinned else self._avoiding(job)
        # A request is often the same object for many jobs; that is found faster than an equal one.
        identity = (
            job.queue, job.project, id(job.request), self._cohorts is not None and job.preemptible,
            job.owner if self._by_user else "",
        )  # fmt: skip
        found = self._same.get(identity)
        if found is None:
            found = self._same[identity] = self._equal(job)
        return found

    def _equal(self, job: WaitingJob) -> SchedulingClass:
        key, firm = self._key(job), self._is_firm(job)
        found = self._alike.get(key)
        if found is None:
            projects, windows, own = self.of_project(job.project)
            wherever, choice = counted(job.request, self.models.over(job.project), self._views)
            chain, queue = (*projects, *self.associations.of(job), *wherever), self._queues[job.queue]
            limits = limits_over(chain, queue, self._cohorts, firm=firm)
            found = self._alike[key] = SchedulingClass(queue, chain, job.request, windows, limits, firm=firm)
            found.limited, found.choice = bool(chain) or job.queue in self._limited, choice
            found.count, found.own = count_of(job.request.total), own
        return found

    def counted(self, job: WaitingJob | RunningJob) -> tuple[ProjectView, ...]:
        """All whose limits count for the job: projects, what its owner may hold in each and in its queue, GPUs by model."""
        projects = self.of_project(job.project)[0]
        if not (self._by_user or self.models):
            return projects
        return (*projects, *self.associations.of(job), *self.models.over(job.project))

    def ways(self, alike: SchedulingClass) -> list[SchedulingClass]:
        """The class on GPUs of each of the models that it may run on; nothing can be kept for it where that is on none alone."""
        found = []
        for quota, shut in alike.choice.bindings() if alike.choice is not None else ():
            windows = {**alike.windows, **{self._free[name].number: ALWAYS for name in shut}}
            limits = alike.limits if quota is None else (*alike.limits, limit_of(quota))
            found.append(replace(alike, windows=windows, limits=limits, choice=None))
        nowhere = {node.number: ALWAYS for node in self._free.nodes}
        return found or [replace(alike, windows=nowhere, choice=None)]

    def holders(self, snapshot: Snapshot, placements: Sequence[PlannedJob], now: float) -> Holders:
        """Who holds quotas and places of queues, those included who were placed in this pass."""
        placed = {one.job_id: one.shares for one in placements}
        new = [started(job, placed[job.id], now) for job in snapshot.waiting if job.id in placed]
        held = (Holder.of(job).counted_in(self.parts(job)) for job in (*snapshot.running, *new))
        return Holders(held, self._projects)

    def parts(self, job: RunningJob) -> tuple[ProjectView, ...]:
        """Of which of those it holds something: its owner's, and the models of its GPUs."""
        models = self.models.over(job.project) if self.models else ()
        return (*self.associations.of(job), *(one for one in models if one.held(job.shares, ZERO).gpus))

    def usage(self, running: Sequence[RunningJob]) -> dict[str, Usage]:
        """What users hold, and GPUs by model, where that is limited."""
        return self.associations.usage(running) | self.models.usage(running)

    def _key(self, job: WaitingJob) -> Alike:
        user = tuple(one.slug for one in self.associations.of(job)) if self._by_user else ()
        return (job.queue, job.project, job.request, self._is_firm(job), user)

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
            alike.own,
            avoided,
            alike.firm,
            limited=alike.limited,
            choice=alike.choice,
        )

    def of_project(self, slug: str) -> OfProject:
        """The projects whose quotas count for the project's jobs, and when nodes are kept for others and for itself."""
        found = self._known.get(slug)
        if found is None:
            chain = chain_of(slug, self._projects)
            # Only enforced quotas can refuse, so nothing else has to be counted.
            counted = tuple(one for one in chain if enforced(one) is not None)
            windows = self._windows({one.slug for one in chain}) if self._reserved else NO_WINDOWS
            found = self._known[slug] = (counted, windows, kept_for(chain, self._reserved))
        return found

    def _windows(self, slugs: set[str]) -> Windows:
        """When nodes are kept for others than these projects."""
        windows: dict[int, list[tuple[float, float]]] = {}
        for one in self._reserved:
            for name in one.nodes if one.project not in slugs else ():
                if name in self._free:
                    windows.setdefault(self._free[name].number, []).append((one.start, one.end))
        return windows
