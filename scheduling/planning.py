"""The state of one planning pass: what is free, used and kept as jobs are placed one after another."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from scheduling import placement
from scheduling.alike import Alike, Refused
from scheduling.allowance import NOTHING_USED, Usage, enforced, may_run_now, usage_by_project
from scheduling.capacity import NO_CEILING, FreeNode, FreeNodes
from scheduling.cluster import Cluster
from scheduling.decisions import PlannedJob, PlannedReservation
from scheduling.explanation import Explanations
from scheduling.filters import could_hold
from scheduling.holds import queue_holds
from scheduling.placement.affinity import Affinity
from scheduling.placement.own_first import Kept, OwnFirst, kept_for
from scheduling.profile import FOREVER
from scheduling.quota_profile import Limit, count_of, limits_over
from scheduling.quota_room import KeptInQuota, QuotaRoom
from scheduling.reasons import Reason
from scheduling.reservations import Book, Slot, Windows
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.run_times import SOON, limit_seconds
from scheduling.snapshot import ProjectView, QueueView, RunningJob, Share, Snapshot, WaitingJob, chain_of

NO_WINDOWS: Windows = {}
ALWAYS = ((0.0, FOREVER),)


def _usage(snapshot: Snapshot, projects: Mapping[str, ProjectView], running: Iterable[RunningJob]) -> dict[str, Usage]:
    """What projects use; only quotas ask for it."""
    if not any(map(enforced, snapshot.projects)):
        return {}
    return usage_by_project(running, projects)


def _coming(snapshot: Snapshot, projects: Mapping[str, ProjectView]) -> Cluster | None:
    """The cluster once those that leave have gone; None if nobody leaves, and nobody was stopped for one that waits."""
    staying = [job for job in snapshot.running if not job.leaving]
    if len(staying) == len(snapshot.running) and not any(job.promised for job in snapshot.waiting):
        return None
    usage = _usage(snapshot, projects, staying)
    return Cluster(FreeNodes(snapshot.nodes, staying), usage, Counter(job.queue for job in staying))


OfProject: TypeAlias = tuple[tuple[ProjectView, ...], Windows, Kept]
Waiting: TypeAlias = tuple[WaitingJob, Alike, bool]
"""A job that was looked at and not placed, what it is alike to, and whether something of its own holds it."""


class Planning:
    """One pass over one snapshot. Placing and reserving are its only effects, and they stay inside it."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.now = now
        self.rules: Rules = snapshot.rules
        self.free = FreeNodes.of(snapshot)
        self.book = Book(self.free, snapshot.running, now, self.rules.assumed_limit_seconds)
        self.placements: list[PlannedJob] = []
        self.usage = _usage(snapshot, projects := {one.slug: one for one in snapshot.projects}, snapshot.running)
        self.coming = _coming(snapshot, projects)
        self.kept: dict[
            int, tuple[Share, ...]
        ] = {}  # those for which what comes is kept: they start once others have left
        self._projects = projects
        self._quotas = any(map(enforced, snapshot.projects))
        self._beyond = Refused()
        self._strategy = placement.strategy(self.rules.placement).prepare(snapshot)
        self._queues = {queue.name: queue for queue in snapshot.queues}
        self._limited = {one.name for one in snapshot.queues if one.max_running is not None or queue_holds(one, 0)}
        self._running = Counter(job.queue for job in snapshot.running)
        self._alike: dict[tuple[str, str, Request], Alike] = {}
        self._avoid: dict[tuple[str, str, Request, tuple[str, ...]], Alike] = {}
        self._known: dict[str, OfProject] = {}
        self._same: dict[tuple[str, str, int], Alike] = {}
        self._reserved = [one for one in snapshot.reservations if one.end > now]
        self.promises = 0  # how many that only wait for room have a reservation
        self.promises_in_quota = 0  # how many that a quota or their queue refuses have one on nodes too
        self.quotas = QuotaRoom(
            snapshot.running, now, self.rules.assumed_limit_seconds, self.usage, self._running, projects
        )

    def alike(self, job: WaitingJob) -> Alike:
        if job.avoid:
            return self._avoiding(job)
        # A request is often the same object for many jobs; that is found faster than an equal one.
        identity = (job.queue, job.project, id(job.request))
        found = self._same.get(identity)
        if found is None:
            found = self._same[identity] = self._equal(job)
        return found

    def _equal(self, job: WaitingJob) -> Alike:
        key = (job.queue, job.project, job.request)
        found = self._alike.get(key)
        if found is None:
            counted, windows, own = self._of_project(job.project)
            queue = self._queues[job.queue]
            found = self._alike[key] = Alike(queue, counted, job.request, windows, limits_over(counted, queue))
            found.limited = bool(counted) or job.queue in self._limited
            found.count, found.own = count_of(job.request.total), own
        return found

    def _avoiding(self, job: WaitingJob) -> Alike:
        """The same for those that failed on the same nodes: these are closed to them, if there are others to go to."""
        key = (job.queue, job.project, job.request, job.avoid)
        found = self._avoid.get(key)
        if found is None:
            alike = self._equal(job)
            able = [node for node in self.free.nodes if could_hold(job.request, node.view)]
            shut = [node.number for node in able if node.view.name in job.avoid]
            if len(able) - len(shut) < job.request.nodes:
                shut = []
            windows = {**alike.windows, **dict.fromkeys(shut, ALWAYS)}
            found = self._avoid[key] = Alike(
                alike.queue, alike.chain, alike.request, windows, alike.limits, alike.count, alike.own
            )
            found.limited = alike.limited
        return found

    def _of_project(self, slug: str) -> OfProject:
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
                if name in self.free:
                    windows.setdefault(self.free[name].number, []).append((one.start, one.end))
        return windows

    def limit(self, job: WaitingJob) -> float:
        """For how long the job may run, as far as anybody can say."""
        return limit_seconds(job, self.rules)

    def start(self, job: WaitingJob, alike: Alike) -> bool:
        """Place the job if it may start now; whether it was."""
        length = self.limit(job)
        if length >= alike.too_long or length >= alike.too_long_in_quota:
            return False
        if alike.limited and self.not_allowed(alike):
            alike.refused = alike.hopeless = True
            return False
        if self.free.is_too_full_for(job.request):
            alike.hopeless = True
            return False
        if alike.limits and not self.quotas.fits(alike.limits, alike.count, length):
            alike.too_long_in_quota = length
            return False
        shares = None if self._beyond.covers(job.request) else self.find(job, alike, length)
        if shares is None:
            self._remember_refusal(alike, length)
            return False
        self.place(job, alike, shares)
        return True

    def find(self, job: WaitingJob, alike: Alike, length: float) -> tuple[Share, ...] | None:
        """Where the job could run now without delaying a reservation."""
        strategy = Affinity(self._strategy) if job.near else self._strategy
        if alike.own:
            strategy = OwnFirst(strategy, alike.own, self.now, self.now + length)
        return strategy.place(
            job.request,
            self.free,
            near=job.near,
            ceiling=self.book.ceilings(self.now + length),
            closed=self.closed(alike.windows, length),
        )

    def find_open(self, job: WaitingJob, alike: Alike, length: float) -> tuple[Share, ...] | None:
        """Where it could run now if only advance reservations counted."""
        return self._strategy.place(job.request, self.free, closed=self.closed(alike.windows, length))

    def find_now(self, request: Request) -> tuple[Share, ...] | None:
        """Where it could run now if there were no reservations."""
        return self._strategy.place(request, self.free)

    def find_in(
        self, free: FreeNodes, job: WaitingJob, closed: frozenset[str], ceiling: Mapping[int, FreeNode] = NO_CEILING
    ) -> tuple[Share, ...] | None:
        """Where it could run if so much were free."""
        return self._strategy.place(job.request, free, near=job.near, closed=closed, ceiling=ceiling)

    def closed(self, windows: Windows, length: float) -> frozenset[str]:
        """The nodes that are kept for others before such a job must have ended."""
        if not windows:
            return frozenset()
        end = self.now + length
        return frozenset(
            self.free.nodes[number].view.name
            for number, kept in windows.items()
            if any(start < end for start, _ in kept)
        )

    def _remember_refusal(self, alike: Alike, length: float) -> None:
        covered = self._beyond.covers(alike.request)
        if covered or (not self.book.keeps_room and not alike.windows) or self.find_now(alike.request) is None:
            alike.hopeless = True
            if not covered:
                self._beyond.add(alike.request)
        else:
            alike.too_long = length

    def place(self, job: WaitingJob, alike: Alike, shares: tuple[Share, ...]) -> None:
        """Start the job there."""
        for share in shares:
            self.free.take(share, holder=job.id)
        end = self.now + self.limit(job)
        self.book.started(shares, end)
        if self.coming is not None:
            self.coming.start(job.id, shares, alike.request, alike.queue, alike.chain)
        self._running[alike.queue.name] += 1
        for project in alike.chain:
            before = self.usage.get(project.slug, NOTHING_USED)
            self.usage[project.slug] = before.plus_job(alike.request.total)
        if alike.limits:
            self.quotas.started(alike.limits, alike.count, end)
        self.placements.append(PlannedJob(job.id, shares))

    def reserve(self, job: WaitingJob, alike: Alike) -> bool:
        """Keep room for the job as early as it can start; False if it never can on the nodes there are."""
        if not self._keep(job, alike, ()):
            return False
        self.promises += 1
        return True

    def _is_shut(self, queue: QueueView) -> bool:
        """Whether the queue starts nothing, however few of its jobs run."""
        return bool(queue_holds(replace(queue, max_running=None), 0))

    def would_delay_others_in_quota(self, job: WaitingJob, alike: Alike) -> bool:
        return alike.too_long_in_quota < FOREVER and self.limit(job) >= alike.too_long_in_quota

    def reserve_in_quota(self, job: WaitingJob, alike: Alike, depth: int, with_room: int, *, strictly: bool) -> None:
        """Keep room for the job under all limits that it counts under, if one of them refuses fewer than `depth` so far.

        Also on nodes, for `with_room` such jobs. `strictly` nobody who counts there starts before it.
        """
        refusing = self.quotas.refusing(alike.limits, alike.count, self.limit(job))
        if (
            all(self.quotas.blocked(limit) >= depth for limit in refusing)
            or self._is_shut(alike.queue)
            or not self._could_ever(alike)
        ):
            alike.passed_over = True
        elif self.promises_in_quota < with_room and self._keep(job, alike, refusing, strictly=strictly):
            self.promises_in_quota += 1
        elif not self._keep_in_quota(job, alike, refusing, strictly=strictly):
            alike.passed_over = True

    def _keep(self, job: WaitingJob, alike: Alike, refusing: Sequence[Limit], *, strictly: bool = False) -> bool:
        """Room on nodes and in quotas from the same moment on."""
        length = self.limit(job)
        slot = self._earliest(alike, length)
        if slot is None:
            return False
        self.book.reserve(job.id, job.request, slot, length)
        if alike.limits:
            self.quotas.keep(
                alike.limits, _kept(job, alike, slot.start, length, self.now if strictly else None), refusing
            )
        return True

    def _earliest(self, alike: Alike, length: float) -> Slot | None:
        """When there is room for it on nodes and under all its limits."""
        limits, count = alike.limits, alike.count
        after = self.quotas.earliest(limits, count, length, self.now)
        while after < FOREVER:
            slot = self.book.find(alike.request, length, alike.windows, after)
            if slot is None:
                return None
            after = self.quotas.earliest(limits, count, length, slot.start)
            if after == slot.start:
                return slot
        return None

    def _keep_in_quota(self, job: WaitingJob, alike: Alike, refusing: Sequence[Limit], *, strictly: bool) -> bool:
        length = self.limit(job)
        start = self.quotas.earliest(alike.limits, alike.count, length, self.now)
        if start == FOREVER:
            return False
        self.quotas.keep(alike.limits, _kept(job, alike, start, length, self.now if strictly else None), refusing)
        self.book.reservations.append(PlannedReservation(job.id, start, ()))
        return True

    def _could_ever(self, alike: Alike) -> bool:
        """Whether the nodes there are could hold such a job if they were empty."""
        return sum(could_hold(alike.request, node.view) for node in self.free.nodes) >= alike.request.nodes

    def keep(self, job: WaitingJob, alike: Alike, shares: tuple[Share, ...]) -> None:
        """Keep this for the job, which starts there as soon as those that leave have gone."""
        if self.coming is not None:
            self.coming.start(job.id, shares, alike.request, alike.queue, alike.chain)
        start, length = self.now + SOON, self.limit(job)
        self.book.keep(job.id, start, shares, length)
        if alike.limits:
            self.quotas.keep(alike.limits, KeptInQuota(job.id, start, start + length, alike.count))
        self.kept[job.id] = shares

    def cluster(self) -> Cluster:
        """The cluster as it will be once those that leave have gone, with all that was placed and kept: to try changes on."""
        return self.coming.copy() if self.coming else self.present()

    def present(self) -> Cluster:
        """The cluster as it is, with what was placed."""
        return Cluster(self.free.copy(), self.usage, self._running)

    def counted(self, slug: str) -> tuple[ProjectView, ...]:
        """The projects whose quotas count for the project's jobs."""
        return self._of_project(slug)[0] if self._quotas else ()

    def not_allowed(self, alike: Alike) -> tuple[Reason, ...]:
        """What its queue and the quotas have against the next such job."""
        held = queue_holds(alike.queue, self._running[alike.queue.name])
        return (*held, *may_run_now(alike.request, chain=alike.chain, usage=self.usage))

    def reasons(self, alike: Alike, explanations: Explanations) -> tuple[Reason, ...]:
        """What keeps all such jobs from starting at the end of the pass; none if only the reservations do."""
        if alike.reasons is None:
            fits = self.find_now(alike.request) is not None
            nowhere = () if fits else explanations.why_nowhere(alike.request)
            alike.reasons = (*self.not_allowed(alike), *nowhere)
        return alike.reasons


def _kept(job: WaitingJob, alike: Alike, start: float, length: float, strictly_from: float | None) -> KeptInQuota:
    if strictly_from is not None:
        return KeptInQuota(job.id, strictly_from, FOREVER, alike.count)
    return KeptInQuota(job.id, start, start + length, alike.count)
