"""Whose turn has come, who must not be stopped, and who gives way: the shadow's schedule against what runs here."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from scheduling.plan_result import PlannedPreemption
from scheduling.planning.cluster import Cluster
from scheduling.planning.coming import keep_promises
from scheduling.planning.cycle_state import PassState
from scheduling.planning.floor.admission import goes_before, queues_with_floor
from scheduling.planning.floor.progress import head_start, work_lost, work_saved
from scheduling.planning.floor.shadow import ShadowSchedule
from scheduling.planning.floor.stand_ins import StandIns, pairs_of
from scheduling.planning.ordering import order_pending
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.planning.stops.victim_choice import VictimChoice
from scheduling.planning.stops.victims import Candidate, Victim
from scheduling.planning.turn_reasons import may_start_early
from scheduling.snapshot import Allocation, RunningJob, ShadowJob, Snapshot, WaitingJob

STRATEGY = "floor"
EXACT = 1e-6
"""Moments that differ by less are one: they are sums of the same numbers in another order."""

DIGITS = 6
"""Whose losses are the same to so many are stopped by their numbers."""

Shares = tuple[Allocation, ...]


class Turns(NamedTuple):
    """What the floor asks of a plan: where those go whose turn has come, who gives way to them, and who is left alone.

    To the `due` belong those that run in the shadow, are ahead of it, and find their place there free: nobody gives way to them.
    `promised` are those that others were stopped for by another right: the room that is kept for them beside the due ones.
    """

    due: dict[int, Shares]
    promised: dict[int, Shares]
    stops: tuple[PlannedPreemption, ...]
    protected: frozenset[int]
    next_at: float | None


class TurnFinder:
    """Works out the turns of one plan."""

    def __init__(self, shadow: ShadowSchedule, snapshot: Snapshot, now: float) -> None:
        self._shadow = shadow
        self._snapshot = snapshot
        self._now = now
        self._restart_cost = snapshot.rules.preemption.restart_cost_seconds
        self._names = StandIns(shadow, snapshot)
        self._ahead: list[tuple[ShadowJob, WaitingJob]] = []
        self._moments: list[float] = []
        self._protected: set[int] = set()
        self._stops: list[PlannedPreemption] = []

    def find(self) -> Turns:
        due = self._due()
        pairs = pairs_of(self._shadow.jobs, self._snapshot.running)
        elsewhere = [(one, job) for one, job in pairs if not self._names.is_in_place(one, job)]
        # On most passes everybody runs at his place and nobody is due: then who may be stopped need not be known.
        if due or elsewhere or self._snapshot.rules.preemption.strategies:
            misplaced = self._names.bind_all(pairs, elsewhere)
            for one, job in pairs:
                self._look_at_running(one, job, misplaced=job.id in misplaced)
        places, promised = self._give_places(due) if due or self._ahead else ({}, {})
        return Turns(places, promised, tuple(self._stops), frozenset(self._protected), self._next())

    def _look_at_running(self, one: ShadowJob, job: RunningJob, *, misplaced: bool) -> None:
        """It may be stopped as long as what it has saved is more than its shadow has done, and it was not stopped too often."""
        left = self._head_start(one, work_saved(job, self._restart_cost))
        if left > EXACT and (misplaced or may_start_early(job, self._snapshot.rules)):
            if misplaced:
                self._moments.append(self._now + left)
        elif misplaced and self._may_move(job) and left > -max(EXACT, self._restart_cost):
            self._stop(job, job.id)  # now or never: in a moment it could not be stopped for anybody
        else:
            self._protected.add(job.id)

    def _may_move(self, job: RunningJob) -> bool:
        able = job.checkpointable and job.preemptible and not job.leaving
        return able and job.started_at is not None and job.started_at < self._now - EXACT

    def _head_start(self, one: ShadowJob, saved: float) -> float:
        """For how long from now its shadow may go on before a job with so much saved has to run."""
        return head_start(saved, self._restart_cost) - (self._shadow.clock - (one.started_at or 0.0))

    def _due(self) -> list[tuple[ShadowJob, WaitingJob]]:
        found = []
        for job in self._snapshot.waiting:
            one = self._shadow.jobs.get(job.id)
            if one is None or one.started_at is None:
                continue
            left = self._head_start(one, job.saved_seconds)
            if left <= EXACT:
                found.append((one, job))
                continue
            self._moments.append(self._now + left)
            if not may_start_early(job, self._snapshot.rules):  # in its own place it is in nobody's way
                self._ahead.append((one, job))
        self._ahead.sort(key=_in_turn)
        return sorted(found, key=_in_turn)

    def _give_places(self, due: Sequence[tuple[ShadowJob, WaitingJob]]) -> tuple[dict[int, Shares], dict[int, Shares]]:
        moving = replace(self._snapshot, running=_marked(self._snapshot, self._stops, frozenset()))
        givers = _Givers(moving, self._now, self._protected, self._names, {job.id for _, job in due})
        places = {}
        for one, job in due:
            found = givers.place(one, job)
            if found is not None:
                places[job.id], victims = found
                for victim in victims:
                    self._stop(victim, job.id)
        for one, job in self._ahead:
            if (shares := givers.own_place(one, job)) is not None:
                places[job.id] = shares
        return places, givers.promised

    def _stop(self, job: RunningJob, for_job: int) -> None:
        lost = work_lost(job, self._now, self._restart_cost)
        self._stops.append(PlannedPreemption(job.id, for_job, STRATEGY, lost))

    def _next(self) -> float | None:
        """When the shadow has something new to say, if nothing happens here before."""
        lag = self._shadow.lag
        moments = [moment + lag for moment in self._shadow.ends_known()]
        moments += [moment + lag for moment in self._shadow.arrivals_to_come()]
        return min((moment for moment in (*moments, *self._moments) if moment > self._now), default=None)


class _Givers:
    """Finds a place for one due job after another, in what is free, in what comes free, and in what others hold who may be stopped."""

    def __init__(
        self, snapshot: Snapshot, now: float, protected: set[int], names: StandIns, due: AbstractSet[int]
    ) -> None:
        self._work = PassState(snapshot, now)
        self.promised = _kept_for_others(self._work, snapshot, due)
        self._names = names
        self._freed_for = {job.id: nodes for job in snapshot.waiting if (nodes := {share.node for share in job.room})}
        self._present = self._work.present()
        self._coming = self._work.cluster()
        self._all = frozenset(node.name for node in snapshot.nodes)
        cost, floors = snapshot.rules.preemption.restart_cost_seconds, queues_with_floor(snapshot)
        self._able = sorted(
            _victim(job, now, cost)
            for job in snapshot.running
            if job.id not in protected
            and job.preemptible
            and job.checkpointable
            and not job.leaving
            and not goes_before(job, snapshot, floors)
            and job.started_at is not None  # whose command has not begun yet cannot be told to stop
        )

    def place(self, one: ShadowJob, job: WaitingJob) -> tuple[Shares, list[RunningJob]] | None:
        """Its place and who gives way for it; None if there is none even so."""
        alike = self._work.class_of(job)
        exact, choices = frozenset(self._names.places(one)), self._names.choices(one)
        if (shares := self._without_stops(job, alike, (exact, choices))) is not None:
            return self._take(one, job, alike, shares), []
        for nodes in (choices, self._all):
            found = self._by_stopping(job, alike, nodes)
            if found is not None:
                shares, victims = found
                return self._take(one, job, alike, shares), victims
        return None

    def own_place(self, one: ShadowJob, job: WaitingJob) -> Shares | None:
        """Its place where its shadow runs, if that is free now and was freed for nobody else."""
        alike, for_others = self._work.class_of(job), self._for_others(job)
        for nodes in (frozenset(self._names.places(one)), self._names.choices(one)):
            if (shares := self._free_now(job, alike, nodes - for_others)) is not None:
                return self._take(one, job, alike, shares)
        return None

    def _for_others(self, job: WaitingJob) -> frozenset[str]:
        return frozenset[str]().union(*(nodes for other, nodes in self._freed_for.items() if other != job.id))

    def _without_stops(self, job: WaitingJob, alike: SchedulingClass, among: Sequence[frozenset[str]]) -> Shares | None:
        """In what is free, then in what comes free; where room was made for others only if there is none elsewhere."""
        for_others = self._for_others(job)
        for spared in (for_others, frozenset[str]()) if for_others else (for_others,):
            for find in (self._free_now, self._find_coming):
                for nodes in among:
                    if (shares := find(job, alike, nodes - spared)) is not None:
                        return shares
        return None

    def _find(
        self, cluster: Cluster, job: WaitingJob, alike: SchedulingClass, allowed: frozenset[str]
    ) -> Shares | None:
        if cluster.refuses(alike):
            return None
        return self._work.find_in(cluster.free, job, self._closed(job, alike, allowed))

    def _find_coming(self, job: WaitingJob, alike: SchedulingClass, allowed: frozenset[str]) -> Shares | None:
        return self._find(self._coming, job, alike, allowed)

    def _free_now(self, job: WaitingJob, alike: SchedulingClass, allowed: frozenset[str]) -> Shares | None:
        """What is free now and not meant for one before it."""
        shares = self._find(self._present, job, alike, allowed)
        if shares is None or self._coming.refuses(alike):
            return None
        return shares if all(self._coming.free[share.node].has(share) for share in shares) else None

    def _closed(self, job: WaitingJob, alike: SchedulingClass, allowed: frozenset[str]) -> frozenset[str]:
        return self._work.closed(alike.windows, self._work.limit(job)) | (self._all - allowed)

    def _by_stopping(
        self, job: WaitingJob, alike: SchedulingClass, allowed: frozenset[str]
    ) -> tuple[Shares, list[RunningJob]] | None:
        choice = VictimChoice(self._work, self._coming, job, alike, self._closed(job, alike, allowed))
        victims = choice.victims([one for one in self._able if not self._keeps_nominal_quota(one.job, job)])
        if victims is None:
            return None
        for victim in victims:
            self._coming.leave(victim.job, self._work.counted(victim.job))
        gone = {victim.job.id for victim in victims}
        self._able = [victim for victim in self._able if victim.job.id not in gone]
        return choice.shares, [victim.job for victim in victims]

    def _keeps_nominal_quota(self, victim: RunningJob, job: WaitingJob) -> bool:
        cohorts = self._work.cohorts
        return cohorts is not None and cohorts.protects(
            victim.project, job.project, job.request.total, self._coming.usage
        )

    def _take(self, one: ShadowJob, job: WaitingJob, alike: SchedulingClass, shares: Shares) -> Shares:
        self._names.assign(one, [share.node for share in shares])
        for cluster in (self._coming, self._present):
            if all(cluster.free[share.node].has(share) for share in shares):
                cluster.start(job.id, shares, alike)
        return shares


def _in_turn(pair: tuple[ShadowJob, WaitingJob]) -> tuple[float, int]:
    """By when their turns came: while others leave for a job its shadow waits, and what they leave is its own all the same."""
    one, job = pair
    return (round((one.started_at or 0.0) - one.late_seconds, DIGITS), job.id)


def _kept_for_others(work: PassState, snapshot: Snapshot, due: AbstractSet[int]) -> dict[int, Shares]:
    """Where those go that others were stopped for by another right: that is not given to a due job."""
    promised = tuple([job for job in snapshot.waiting if job.promised and job.id not in due])
    line = order_pending(replace(snapshot, waiting=promised), work.now).jobs if promised else ()
    keep_promises(work, line, snapshot.running, strict=False)
    return {**work.kept, **{one.job_id: one.shares for one in work.placements}}


def _victim(job: RunningJob, now: float, restart_cost: float) -> Victim:
    """To be sorted: the least urgent first, then who loses least."""
    lost = round(work_lost(job, now, restart_cost), DIGITS)
    return Victim(Candidate(job.priority, 0.0, lost, job.id, job), STRATEGY)


def carried_out(snapshot: Snapshot, turns: Turns) -> Snapshot:
    """The snapshot as the pass is to see it: due jobs stand first and have their places, and who gives way is leaving."""
    kept = turns.protected if snapshot.rules.preemption.strategies else frozenset()
    waiting = tuple([_placed(job, turns) for job in snapshot.waiting]) if turns.due else snapshot.waiting
    return replace(snapshot, waiting=waiting, running=_marked(snapshot, turns.stops, kept))


def _placed(job: WaitingJob, turns: Turns) -> WaitingJob:
    if job.id in turns.due:
        return replace(job, promised=True, pinned=True, room=turns.due[job.id])
    return replace(job, room=turns.promised[job.id]) if job.id in turns.promised else job


def _marked(
    snapshot: Snapshot, stops: Sequence[PlannedPreemption], protected: AbstractSet[int]
) -> tuple[RunningJob, ...]:
    """What runs: those that are stopped leave, and those that are protected give way to nobody."""
    leaving = {one.job_id: one.for_job for one in stops}
    if not leaving and not protected:
        return snapshot.running
    return tuple([_as_marked(job, leaving, protected) for job in snapshot.running])


def _as_marked(job: RunningJob, leaving: dict[int, int], protected: AbstractSet[int]) -> RunningJob:
    if job.id in leaving:
        return replace(job, leaving=True, leaving_for=leaving[job.id])
    return replace(job, protected=True) if job.preemptible and job.id in protected else job
