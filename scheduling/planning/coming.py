"""What comes anyway: the room and the quota of jobs that are leaving belong to those who are in line for them.

Whoever was told to stop is gone in seconds. What that frees is handed out beforehand, as reservations that begin then:
first to the jobs that somebody was stopped for, then down the line. So nobody else is stopped for the same room, and no
later job slips into it while it becomes free piece by piece.
"""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from scheduling.nodes.feasibility import suitable
from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.planning.cluster import Cluster
from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import is_held
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.resources import Request
from scheduling.run_times import SOON
from scheduling.snapshot import Allocation, RunningJob, WaitingJob

Places: TypeAlias = dict[int, tuple[Allocation, ...]]
"""Where each of these jobs goes."""
Place: TypeAlias = tuple[str, int | None]
"""A node, or one of its GPUs."""


def keep_coming(work: PassState, job: WaitingJob, alike: SchedulingClass) -> bool:
    """Keep for the job what will be free once those that leave have gone, if that is all it waits for."""
    length = work.limit(job)
    if work.coming is None or length >= alike.too_long_to_come:
        return False
    shares = _place(work, work.coming, job, alike, length)
    if shares is None:
        in_the_way = bool(work.book.reservations or alike.windows)
        alike.too_long_to_come = length if in_the_way else 0.0
        return False
    work.keep(job, alike, shares)
    return True


def _place(
    work: PassState, coming: Cluster, job: WaitingJob, alike: SchedulingClass, length: float
) -> tuple[Allocation, ...] | None:
    soon, limits, reach = work.now + SOON, alike.limits, work.reach(job)
    if coming.free.is_too_full_for(job.request) or (alike.limited and coming.refuses(alike)):
        return None
    quotas = work.quotas.beside(reach)
    if limits and quotas.earliest(quotas.tight(limits, alike.count), reach, soon) > soon:
        return None
    ceiling = work.book.ceilings(soon + reach, after=soon)
    return work.find_in(coming.free, job, work.closed(alike.windows, SOON + length), ceiling, coming.usage)


def keep_promises(work: PassState, jobs: Iterable[WaitingJob], running: Iterable[RunningJob], *, strict: bool) -> None:
    """Start the jobs that others were stopped for where their room is free by now, and keep for them what still comes.

    A job for which there is no room even then (its node went down) stands in line like any other. `strict`: none starts
    before one that was looked at before it.
    """
    asking = _paid(work, [job for job in jobs if not is_held(job, work.now)])
    if work.coming is None or not asking:
        return
    promises = _Promises(work, work.coming, asking, running)
    places = promises.best()
    left = work.present()
    for job in asking:
        if job.id in places:
            _start(left, job, work.class_of(job), places[job.id])
    waits = False
    for job in asking:
        alike, shares = work.class_of(job), places.get(job.id)
        if shares is not None:
            left.withdraw(job.id, shares, alike)
            found = None if strict and waits else promises.now(job, shares, left)
            _start(left, job, alike, found or shares)
            (work.place if found else work.keep)(job, alike, found or shares)
        waits = waits or job.id in work.kept


def _paid(work: PassState, jobs: Sequence[WaitingJob]) -> Sequence[WaitingJob]:
    """Those for whom budgets pay and who do not run too far ahead, each beside those before it."""
    if not work.allowances.apply:
        return jobs
    paid = []
    for job in jobs:
        if not work.allowances.refuse(job, work.class_of(job)):
            work.allowances.keep(job, work.now)
            paid.append(job)
    return paid


def _start(cluster: Cluster, job: WaitingJob, alike: SchedulingClass, shares: Sequence[Allocation]) -> None:
    cluster.start(job.id, shares, alike)


class _Promises:
    """Finds a place for each of the jobs beside the others, in what is free once those that leave have gone."""

    def __init__(
        self, work: PassState, coming: Cluster, jobs: Sequence[WaitingJob], running: Iterable[RunningJob]
    ) -> None:
        self._work = work
        self._coming = coming
        self._jobs = jobs
        self._claims = {job.id: _claim(job) for job in jobs}
        self._still_wait = {one.leaving_for for one in running}

    def best(self) -> Places:
        """All of them, as they stand in line; where that leaves somebody out, the widest first: it is hardest to place."""
        found: dict[int, tuple[Allocation, ...]] = {}
        for order in (self._jobs, sorted(self._jobs, key=_width)):
            for at_once in (True, False):
                places = self._places(order, at_once=at_once)
                if len(places) == len(self._jobs):
                    return places
                found = max(found, places, key=_placed)
        return found

    def now(self, job: WaitingJob, shares: tuple[Allocation, ...], left: Cluster) -> tuple[Allocation, ...] | None:
        """Where the job can start at once: in its own place, once nobody is stopped for it any more; or in what is `left`.

        That is what there is beside all that the others get.
        """
        alike, free = self._work.class_of(job), self._work.free
        if alike.limited and self._work.is_refused(alike):
            return None
        if job.id not in self._still_wait and all(free[share.node].has(share) for share in shares):
            return shares
        if alike.limited and left.refuses(alike):
            return None
        return self._work.find_in(left.free, job, self._closed(job), usage=left.usage)

    def _places(self, order: Sequence[WaitingJob], *, at_once: bool) -> Places:
        cluster = self._coming.copy()
        places: Places = {}
        for job in order:
            alike = self._work.class_of(job)
            if alike.limited and cluster.refuses(alike):
                continue
            placing = partial(self._place, job, cluster.free, at_once=at_once)
            shares = alike.place(placing, self._closed(job), [cluster.usage])
            if shares is not None:
                _start(cluster, job, alike, shares)
                places[job.id] = shares
        return places

    def _place(
        self, job: WaitingJob, free: FreeNodes, *, at_once: bool, closed: frozenset[str]
    ) -> tuple[Allocation, ...] | None:
        """Where room was made for it; else where there is room `at_once`; not where it was made for others; least left."""
        own, request = self._claims[job.id], job.request
        others = Counter[Place]()
        for other, claim in self._claims.items():
            others.update(claim if other != job.id else ())
        now = self._work.free.nodes

        def preference(node: FreeNode) -> tuple[bool, bool, bool, int, int, int]:
            whole, number = (node.view.name, None), node.number
            later = at_once and not now[number].fits(request)
            return (whole not in own, later, whole in others, node.gpu_milli, node.cpus, number)

        able = [node for node in free.nodes if node.fits(request) and node.view.name not in closed]
        chosen = sorted(able, key=preference)[: request.nodes]
        if len(chosen) < request.nodes:
            return None
        return tuple(
            Allocation(node.view.name, request.amount, _gpus(node, request, own, others), rank)
            for rank, node in enumerate(chosen)
        )

    def _closed(self, job: WaitingJob) -> frozenset[str]:
        return self._work.closed(self._work.class_of(job).windows, SOON + self._work.limit(job))


def _claim(job: WaitingJob) -> frozenset[Place]:
    """Where room was made for the job: nodes, and GPUs there."""
    return frozenset((share.node, index) for share in job.room for index in (None, *share.gpu_indices))


def _gpus(node: FreeNode, request: Request, own: Container[Place], others: Container[Place]) -> tuple[int, ...]:
    """The GPUs that were freed for it, then those that were freed for nobody."""
    if not request.gpus:
        return ()
    name = node.view.name
    usable = [gpu.index for gpu in suitable(request, node.order) if node.left_of(gpu) >= request.gpu_milli]
    usable.sort(key=lambda index: ((name, index) not in own, (name, index) in others))
    return tuple(sorted(usable[: request.gpus]))


def _placed(places: Places) -> tuple[int, int]:
    """How much finds a place, and for how many."""
    amounts = [share.amount for shares in places.values() for share in shares]
    return (sum(one.all_gpu_milli + one.cpus for one in amounts), len(places))


def _width(job: WaitingJob) -> tuple[int, int, int, int]:
    """To sort by: the widest job first."""
    amount = job.request.total
    return (-amount.all_gpu_milli, -amount.cpus, -amount.memory_mb, job.id)
