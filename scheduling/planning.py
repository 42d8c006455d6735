"""The state of one planning pass: what is free, used and kept as jobs are placed one after another."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from scheduling import placement
from scheduling.allowance import NOTHING_USED, Usage, enforced, may_run_now, usage_by_project
from scheduling.capacity import FreeNodes
from scheduling.decisions import PlannedJob
from scheduling.explanation import Explanations
from scheduling.filters import could_hold
from scheduling.holders import Holder, Holders
from scheduling.holds import queue_holds
from scheduling.placement.affinity import Affinity
from scheduling.profile import FOREVER
from scheduling.reasons import Reason
from scheduling.reservations import NOWHERE, Book, Windows
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.run_times import limit_seconds
from scheduling.snapshot import ProjectView, QueueView, Share, Snapshot, WaitingJob, chain_of

NO_WINDOWS: Windows = {}
ALWAYS = ((0.0, FOREVER),)


@dataclass(eq=False, slots=True)
class Alike:
    """Jobs of one queue and one project that ask for the same: what refuses one of them refuses them all.

    A refusal stands until the end of the pass, because room and quota only shrink in it. `too_long` is the shortest
    time for which there was room now, but not beside the reservations.
    """

    queue: QueueView
    chain: tuple[ProjectView, ...]
    request: Request
    windows: Windows = field(default_factory=dict)
    avoided: frozenset[str] = frozenset()  # nodes that are closed to them because they failed there
    refused: bool = False
    hopeless: bool = False  # refused, or no room for it now
    limited: bool = True  # whether its queue or a quota may refuse it
    fits: bool = True  # whether there is room at the end of the pass, kept for others or not; known with the reasons
    too_long: float = float("inf")
    reasons: tuple[Reason, ...] | None = None


class Refused:
    """Requests for which no node has room now: what asks for the same or more need not be looked for."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[object, ...], list[tuple[int, int, int]]] = {}

    def add(self, request: Request) -> None:
        self._sizes.setdefault(_kind(request), []).append((request.cpus, request.memory_mb, request.gpus))

    def covers(self, request: Request) -> bool:
        """Whether one like it, and no larger, was refused."""
        sizes = self._sizes.get(_kind(request)) if self._sizes else None
        return sizes is not None and any(
            cpus <= request.cpus and memory_mb <= request.memory_mb and gpus <= request.gpus
            for cpus, memory_mb, gpus in sizes
        )


def _kind(request: Request) -> tuple[object, ...]:
    """Requests of one kind differ in size only."""
    return (
        request.nodes,
        bool(request.gpus),
        request.gpu_model,
        request.gpu_memory_mb,
        request.gpu_milli,
        request.labels,
    )


def _usage(snapshot: Snapshot, projects: Mapping[str, ProjectView]) -> dict[str, Usage]:
    """What projects use; only quotas ask for it."""
    if not any(map(enforced, snapshot.projects)):
        return {}
    return usage_by_project(snapshot.running, projects)


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
        self.usage = _usage(snapshot, projects := {one.slug: one for one in snapshot.projects})
        self._projects = projects
        self._beyond = Refused()
        self._strategy = placement.strategy(self.rules.placement).prepare(snapshot)
        self._queues = {queue.name: queue for queue in snapshot.queues}
        self._limited = {one.name for one in snapshot.queues if one.max_running is not None or queue_holds(one, 0)}
        self._running = Counter(job.queue for job in snapshot.running)
        self._alike: dict[tuple[str, str, Request], Alike] = {}
        self._avoid: dict[tuple[str, str, Request, tuple[str, ...]], Alike] = {}
        self._known: dict[str, tuple[tuple[ProjectView, ...], Windows]] = {}
        self._same: dict[tuple[str, str, int], Alike] = {}
        self._reserved = [one for one in snapshot.reservations if one.end > now]
        self._snapshot = snapshot
        self._holders: Holders | None = None

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
            counted, windows = self._of_project(job.project)
            found = self._alike[key] = Alike(self._queues[job.queue], counted, job.request, windows)
            found.limited = bool(counted) or job.queue in self._limited
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
            avoided = frozenset(self.free.nodes[number].view.name for number in shut)
            found = self._avoid[key] = replace(
                alike, windows=windows, avoided=avoided, refused=False, hopeless=False, too_long=FOREVER, reasons=None
            )
        return found

    def _of_project(self, slug: str) -> tuple[tuple[ProjectView, ...], Windows]:
        """The projects whose quotas count for the project's jobs, and when nodes are kept for others."""
        found = self._known.get(slug)
        if found is None:
            chain = chain_of(slug, self._projects)
            # Only enforced quotas can refuse, so nothing else has to be counted.
            counted = tuple(one for one in chain if enforced(one) is not None)
            windows = self._windows({one.slug for one in chain}) if self._reserved else NO_WINDOWS
            found = self._known[slug] = (counted, windows)
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
        if length >= alike.too_long:
            return False
        if alike.limited and self.not_allowed(alike):
            alike.refused = alike.hopeless = True
            return False
        if self.free.is_too_full_for(job.request):
            alike.hopeless = True
            return False
        shares = None if self._beyond.covers(job.request) else self.find(job, alike, length)
        if shares is None:
            self._remember_refusal(alike, length)
            return False
        self._place(job.id, alike, shares, self.now + length)
        return True

    def find(self, job: WaitingJob, alike: Alike, length: float) -> tuple[Share, ...] | None:
        """Where the job could run now without delaying a reservation."""
        strategy = Affinity(self._strategy) if job.near else self._strategy
        return strategy.place(
            job.request,
            self.free,
            near=job.near,
            ceiling=self.book.ceilings(self.now + length),
            closed=self.closed(alike.windows, length),
        )

    def find_now(self, request: Request) -> tuple[Share, ...] | None:
        """Where it could run now if there were no reservations."""
        return self._strategy.place(request, self.free)

    def find_beside(
        self, request: Request, closed: frozenset[str], length: float | None = None
    ) -> tuple[Share, ...] | None:
        """Where it could run now if these nodes were closed; with a length, beside the reservations as well."""
        ceiling = NOWHERE if length is None else self.book.ceilings(self.now + length)
        return self._strategy.place(request, self.free, ceiling=ceiling, closed=closed)

    def reserved_for_others(self, job: WaitingJob) -> Windows:
        """When nodes are kept for others than the job's projects, or for maintenance."""
        return self._of_project(job.project)[1]

    def find_in(self, free: FreeNodes, job: WaitingJob, closed: frozenset[str]) -> tuple[Share, ...] | None:
        """Where it could run if so much were free."""
        return self._strategy.place(job.request, free, near=job.near, closed=closed)

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
        if covered or (not self.book.reservations and not alike.windows) or self.find_now(alike.request) is None:
            alike.hopeless = True
            if not covered:
                self._beyond.add(alike.request)
        else:
            alike.too_long = length

    def _place(self, job_id: int, alike: Alike, shares: tuple[Share, ...], end: float) -> None:
        for share in shares:
            self.free.take(share, holder=job_id)
        self.book.started(shares, end)
        self._running[alike.queue.name] += 1
        for project in alike.chain:
            before = self.usage.get(project.slug, NOTHING_USED)
            self.usage[project.slug] = before.plus_job(alike.request.total)
        self.placements.append(PlannedJob(job_id, shares))

    def reserve(self, job: WaitingJob, alike: Alike) -> bool:
        """Keep room for the job as early as it can start; False if it never can on the nodes there are."""
        length = self.limit(job)
        slot = self.book.find(job.request, length, alike.windows)
        if slot is not None:
            self.book.reserve(job.id, job.request, slot, length)
        return slot is not None

    def not_allowed(self, alike: Alike) -> tuple[Reason, ...]:
        """What its queue and the quotas have against the next such job."""
        held = queue_holds(alike.queue, self._running[alike.queue.name])
        return (*held, *may_run_now(alike.request, chain=alike.chain, usage=self.usage))

    def reasons(self, alike: Alike, explanations: Explanations) -> tuple[Reason, ...]:
        """What keeps all such jobs from starting at the end of the pass; none if only the reservations do."""
        if alike.reasons is None:
            alike.fits = self.find_now(alike.request) is not None
            nowhere = () if alike.fits else explanations.why_nowhere(alike.request)
            refused = self.not_allowed(alike)
            alike.reasons = (*(map(self.holders().named_in, refused) if refused else ()), *nowhere)
        return alike.reasons

    def holders(self) -> Holders:
        """Who holds quotas and places of queues, those included who were placed in this pass; asked for at its end."""
        if self._holders is None:
            placed = {one.job_id for one in self.placements}
            new = (Holder.placed(job) for job in self._snapshot.waiting if job.id in placed)
            self._holders = Holders((*map(Holder.of, self._snapshot.running), *new), self._projects)
        return self._holders
