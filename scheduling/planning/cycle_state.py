"""The state of one planning pass: what is free, used and kept as jobs are placed one after another."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial

from scheduling.nodes.free_nodes import NO_CEILING, FreeNode, FreeNodes
from scheduling.nodes.profile import FOREVER
from scheduling.placement.best_fit import BEST_FIT
from scheduling.plan_result import PlannedJob, PlannedReservation
from scheduling.planning.allowances import Allowances
from scheduling.planning.cluster import Cluster, after_leaving, is_refused
from scheduling.planning.eligibility import starts_nothing
from scheduling.planning.kinds import Kinds
from scheduling.planning.places.finding import PlaceFinder, has_room
from scheduling.planning.quota_levels import quota_levels
from scheduling.planning.reservations import NOWHERE, ClosedNodes, ReservationTable, Slot, Windows
from scheduling.planning.scheduling_class import SchedulingClass, UnschedulableRequests, Used
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.run_times import SOON, limit_seconds, outlive_assumed
from scheduling.sharing.ledger import Ledger
from scheduling.sharing.quota_profile import PROJECT, Limit
from scheduling.sharing.quota_room import IN_NO_COHORT, KeptInQuota, Limits, QuotaRoom, Tight
from scheduling.snapshot import Allocation, Snapshot, WaitingJob

Left = Mapping[int, FreeNode]
NONE_LENT: frozenset[str] = frozenset()


class PassState:
    """One pass over one snapshot. Placing and reserving are its only effects, and they stay inside it."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.now = now
        self.rules: Rules = snapshot.rules
        self.free = FreeNodes.of(snapshot)
        levels, assumed = quota_levels(tuple(snapshot.projects)), self.rules.assumed_limit_seconds
        self.cohorts, self.never, cells = levels.cohorts, levels.never, levels.cells
        self._endless = endless = outlive_assumed(snapshot.running, now, assumed)
        self._kinds = Kinds(snapshot, now, self.free, levels, endless_apart=endless)
        self.class_of, self.counted, self.parts = self._kinds.of, self._kinds.counted, self._kinds.parts
        self.lifetimes = self._kinds.lifetimes
        self._closed = ClosedNodes(self.free)
        self.book = ReservationTable(self.free, snapshot.running, now, assumed, endless=endless)
        self.placements: list[PlannedJob] = []
        self.started: list[WaitingJob] = []  # the jobs of these
        self.usage = Ledger.of(cells, snapshot.running, self._kinds.usage(snapshot.running))
        self.coming = after_leaving(snapshot, cells, self.cohorts, self._kinds.usage)
        # Those for which what comes is kept: they start once others have left.
        self.kept: dict[int, tuple[Allocation, ...]] = {}
        self.would_borrow: set[int] = set()  # those that have a reservation and no nominal quota left
        self.yielding: dict[int, tuple[int, ...]] = {}  # those that would borrow what is being given back, and to whom
        self._beyond = UnschedulableRequests()
        self._could_ever = cache(self.free.could_ever_hold)
        self._places = PlaceFinder(snapshot, now)
        self._running = Counter(job.queue for job in snapshot.running)
        self.promises = 0  # how many that only wait for room have a reservation
        self.promises_in_quota = 0  # how many that a quota or their queue refuses have one on nodes too
        self.quotas = QuotaRoom(
            snapshot.running, now, assumed, self.usage, self._running, levels.projects, self.cohorts,
            endless=endless,
        )  # fmt: skip
        self.allowances = Allowances(snapshot, now, self.limit)

    def limit(self, job: WaitingJob) -> float:
        """For how long the job may run, as far as anybody can say.

        None is so short that it is over before others have what is kept for them: those that leave may be gone at once.
        """
        length = limit_seconds(job, self.rules)
        return max(length, 2 * SOON) if self.kept else length

    def reach(self, job: WaitingJob) -> float:
        """For how long it may be in the way of those for whom room is kept; FOREVER if nobody can say."""
        return FOREVER if self._endless and not job.max_runtime_seconds else self.limit(job)

    def start(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Place the job if it may start now; whether it was."""
        length = self.limit(job)
        if length >= alike.too_long or length >= alike.too_long_in_quota or self.allowances.refuse(job, alike):
            return False
        if alike.limited and self.refuses(alike):
            alike.refused = alike.hopeless = True
            return False
        if self.free.is_too_full_for(job.request):
            alike.hopeless = True
            return False
        if alike.limits and not self._fits_in_quota(alike, self.reach(job)):
            alike.too_long_in_quota = length
            return False
        shares = None if self._beyond.covers(job.request) else self.find(job, alike, length)
        if shares is None:
            self._remember_refusal(alike, length)
            return False
        self.place(job, alike, shares)
        return True

    def find(self, job: WaitingJob, alike: SchedulingClass, length: float) -> tuple[Allocation, ...] | None:
        """Where the job could run now without delaying a reservation."""
        ceilings, closed = self._ceilings(self.reach(job)), self.closed(alike.windows, length)
        if alike.choice is None:
            return self._places.find(job, self.free, length, own=alike.own, ceiling=ceilings, closed=closed)
        placing = partial(self._places.find, job, self.free, length, own=alike.own, ceiling=ceilings)
        usages = [self.usage, *([self._at_once.usage] if self._at_once else ())]
        return alike.place(placing, closed, usages, partial(self.quotas.fits, length=self.reach(job)))

    def fits_now(self, request: Request) -> bool:
        """Whether it could run now if there were no reservations."""
        return has_room(request, self.free)

    def fits_beside(self, request: Request, closed: frozenset[str], length: float | None = None) -> bool:
        """Whether it could run now if these nodes were closed; with a length, beside the reservations as well."""
        return has_room(request, self.free, NOWHERE if length is None else self._ceilings(length), closed)

    def _fits_in_quota(self, alike: SchedulingClass, length: float) -> bool:
        """Whether such a job could start now without delaying those for whom quota is kept."""
        at_once = self._at_once
        return self.quotas.fits(alike.limits, alike.count, length) and not (at_once and at_once.refuses(alike))

    def _ceilings(self, length: float) -> Left:
        """What a job of this length can have now beside the reservations."""
        return self.book.ceilings(self.now + length, beside=self._at_once.free if self._at_once else None)

    @property
    def _at_once(self) -> Cluster | None:
        """What comes, if it is kept for anybody: he starts as soon as those that leave have gone, whoever is near his limit."""
        return self.coming if self.kept else None

    def reserved_for_others(self, job: WaitingJob) -> Windows:
        """When nodes are kept for others than the job's projects, or for maintenance."""
        return self._kinds.of_project(job.project)[1]

    def find_in(
        self, free: FreeNodes, job: WaitingJob, closed: frozenset[str], ceiling: Left = NO_CEILING, usage: Used = None
    ) -> tuple[Allocation, ...] | None:
        """Where it could run if so much were free, and so much used."""
        placing = partial(self._places.find, job, free, ceiling=ceiling)
        return self.class_of(job).place(placing, closed, [self.usage if usage is None else usage])

    def closed(self, windows: Windows, length: float) -> frozenset[str]:
        """The nodes that are kept for others before such a job must have ended."""
        return self._closed.before(self.now + length, windows) if windows else frozenset()

    def within_models(self, alike: SchedulingClass, closed: frozenset[str] = frozenset()) -> bool:
        """Whether there is room on GPUs of models of which its quotas have some left, if these nodes are closed to it."""
        placing = partial(BEST_FIT.place, alike.request, self.free)
        return alike.choice is None or alike.place(placing, closed, [self.usage]) is not None

    def _remember_refusal(self, alike: SchedulingClass, length: float) -> None:
        if alike.choice is not None:  # for others there may be room
            alike.hopeless, alike.too_long = not self.within_models(alike), length
            return
        covered = self._beyond.covers(alike.request)
        if covered or (not self.book.keeps_room and not alike.windows) or not self.fits_now(alike.request):
            alike.hopeless = True
            if not covered:
                self._beyond.add(alike.request)
        else:
            alike.too_long = length

    def place(self, job: WaitingJob, alike: SchedulingClass, shares: tuple[Allocation, ...]) -> None:
        """Start the job there."""
        decision = self._places.started(job, shares, self.free) if self._places.takes_note else None
        for share in shares:
            self.free.allocate(share, holder=job.id)
        end, endless = self.now + self.limit(job), not job.max_runtime_seconds
        self.book.started(shares, end, endless=endless)
        if self.coming is not None:
            self.coming.start(job.id, shares, alike)
        self._running[alike.queue.name] += 1
        if alike.chain:
            self.usage.change(alike.chain[0].slug, alike.request.total, 1)
        if alike.limits:
            self.quotas.started(alike.limits, alike.count, end, endless=endless)
        if alike.parts or alike.choice is not None:
            self.usage.count_in_parts(alike.levels.parts, shares, alike.request.total)
            for limits, count in alike.models_at(shares):
                self.quotas.started(limits, count, end, endless=endless)
        if self.allowances.apply:
            self.allowances.started(job)
        self.placements.append(PlannedJob(job.id, shares, decision))
        self.started.append(job)

    def reserve(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Keep room for the job as early as it can start; False if it never can on the nodes there are."""
        if not self._keep(job, alike, ()):
            return False
        self.promises += 1
        return True

    def would_delay_others_in_quota(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        return alike.too_long_in_quota < FOREVER and self.limit(job) >= alike.too_long_in_quota

    def reserve_in_quota(
        self, job: WaitingJob, alike: SchedulingClass, depth: int, with_room: int, *, strictly: bool
    ) -> None:
        """Keep room for the job under all limits that it counts under, if one of them refuses fewer than `depth` so far.

        Also on nodes, for `with_room` such jobs. `strictly` nobody who counts there starts before it.
        """
        alike.passed_over = (
            starts_nothing(alike.queue)
            or not self._could_ever(alike.request)
            or self.lifetimes.too_short_for(job)
            or not self._keep_for_refused(job, alike, depth, with_room, strictly=strictly)
        )

    def _keep_for_refused(
        self, job: WaitingJob, alike: SchedulingClass, depth: int, with_room: int, *, strictly: bool
    ) -> bool:
        # Most are refused by limits under which enough is kept already: another one has to refuse it too.
        tight = self.quotas.tight(alike.limits, alike.count, depth)
        if not tight or any(one.is_for_good for one in tight):
            return False
        tight = self.quotas.tight(alike.limits, alike.count)
        refusing = self.quotas.refusing(tight, self.reach(job))
        if any(one.is_for_good for one in tight) or all(self.quotas.blocked(limit) >= depth for limit in refusing):
            return False
        if self.promises_in_quota < with_room and self._keep(job, alike, refusing, strictly=strictly):
            self.promises_in_quota += 1
            return True
        return self._keep_in_quota(job, alike, tight, refusing, strictly=strictly)

    def _keep(
        self, job: WaitingJob, alike: SchedulingClass, refusing: Sequence[Limit], *, strictly: bool = False
    ) -> bool:
        """Room on nodes and in quotas from the same moment on."""
        length = self.limit(job)
        slot = self._earliest(job, alike, length)
        if slot is None:
            return False
        self.book.reserve(job.id, job.request, slot, length)
        self._keep_under_limits(job, alike, slot.start, refusing, strictly=strictly)
        return True

    def _keep_under_limits(
        self, job: WaitingJob, alike: SchedulingClass, start: float, refusing: Sequence[Limit], *, strictly: bool
    ) -> None:
        """From its start to its end; strictly: from now on, for ever."""
        begin, end = (self.now, FOREVER) if strictly else (start, start + self.limit(job))
        self.quotas.keep(self._own_limits(job, alike), KeptInQuota(job.id, begin, end, alike.count), refusing)
        self.allowances.keep(job, start)

    def _own_limits(self, job: WaitingJob, alike: SchedulingClass) -> Limits:
        """The limits under which room is kept for such a job: not what others lend.

        Whoever has nominal quota takes that back when it needs it; what is borrowed is what others leave, and to keep
        that would hold up those whose own it is.
        """
        if self.cohorts is None or not alike.chain:
            return alike.limits
        total = alike.request.total
        lent = NONE_LENT if alike.firm else self.cohorts.lent_by(alike.chain[0].slug, total, self.usage)
        self.would_borrow |= {job.id} if lent else set()
        return tuple(
            [one for one in alike.limits if one.kind in IN_NO_COHORT or (one.kind == PROJECT and one.name not in lent)]
        )

    def bound(self, job: WaitingJob, alike: SchedulingClass) -> SchedulingClass:
        """Where it may run on GPUs of several models: on those where it could start first."""
        if alike.choice is None:
            return alike
        slots = [(self._earliest(job, way, self.limit(job)), way) for way in self._kinds.ways(alike)]
        return min(slots, key=lambda one: one[0].start if one[0] else FOREVER)[1]

    def _earliest(self, job: WaitingJob, alike: SchedulingClass, length: float) -> Slot | None:
        """When there is room for it on nodes and under all its limits."""
        tight = self.quotas.tight(alike.limits, alike.count)
        after = self._allowed_from(job, tight, length, self.now)
        while after < FOREVER:
            slot = self.book.find(alike.request, length, alike.windows, after)
            if slot is None:
                return None
            after = self._allowed_from(job, tight, length, slot.start)
            if after == slot.start:
                return slot
        return None

    def _allowed_from(self, job: WaitingJob, tight: Sequence[Tight], length: float, after: float) -> float:
        """The first moment, not before that, at which its quotas allow it, what may run ahead included."""
        while True:
            start = self.allowances.earliest(job, self.quotas.earliest(tight, length, after))
            if start in {after, FOREVER}:
                return start
            after = start

    def keep_ahead(self, job: WaitingJob, alike: SchedulingClass, *, on_nodes: bool) -> None:
        """Keep GPU time ahead for the job from when it is enough; also room on nodes, so that it need not wait for that next."""
        if on_nodes and not self.is_refused(alike) and self._keep(job, alike, ()):
            self.promises_in_quota += 1
            self.allowances.wake_at(self.book.reservations[-1].start)
        else:
            self.allowances.keep_later(job)

    def _keep_in_quota(
        self,
        job: WaitingJob,
        alike: SchedulingClass,
        tight: Sequence[Tight],
        refusing: Sequence[Limit],
        *,
        strictly: bool,
    ) -> bool:
        start = self.quotas.earliest(tight, self.limit(job), self.now)
        if start == FOREVER:
            return False
        self._keep_under_limits(job, alike, start, refusing, strictly=strictly)
        self.book.reservations.append(PlannedReservation(job.id, start, ()))
        return True

    def keep(self, job: WaitingJob, alike: SchedulingClass, shares: tuple[Allocation, ...]) -> None:
        """Keep this for the job, which starts there as soon as those that leave have gone."""
        if self.coming is not None:
            self.coming.start(job.id, shares, alike)
        start, length = self.now + SOON, self.limit(job)
        self.book.keep(job.id, start, shares, length)
        self.allowances.keep(job, start)
        if alike.limits:
            self.quotas.keep(alike.limits, KeptInQuota(job.id, start, start + length, alike.count))
        self.kept[job.id] = shares

    def cluster(self) -> Cluster:
        """The cluster as it will be once those that leave have gone, with all that was placed and kept: to try changes on."""
        return self.coming.copy() if self.coming else self.present()

    def present(self) -> Cluster:
        """The cluster as it is, with what was placed."""
        return Cluster(self.free.copy(), self.usage, self._running, self.cohorts)

    def refuses(self, alike: SchedulingClass) -> bool:
        """The same while jobs are only placed: once it is so it stays so, as room in queues and quotas only shrinks."""
        alike.over = alike.over or is_refused(alike, self.usage, self._running, self.cohorts)
        return alike.over

    def is_refused(self, alike: SchedulingClass) -> bool:
        """Whether its queue or the quotas have anything against the next such job."""
        return is_refused(alike, self.usage, self._running, self.cohorts)

    def running_in(self, queue: str) -> int:
        """How many jobs of the queue run, with those that start now."""
        return self._running[queue]
