"""One possible future: plans are carried out one after another, and jobs end as a pace says."""

from collections.abc import Collection, Container, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from itertools import islice
from math import ceil
from typing import Self

from scheduling.forecast.runtime_assumptions import RuntimeAssumption
from scheduling.lifecycle import JobState
from scheduling.plan_result import Plan, PlannedPreemption
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.floor.progress import work_done, work_saved
from scheduling.planning.plan import make_plan
from scheduling.rules import Rules
from scheduling.run_times import SOON
from scheduling.sharing.budgets import Meter, renewals, with_ended
from scheduling.snapshot import EndedJob, RunningJob, Snapshot, WaitingJob
from scheduling.stages import in_line, started

FLOOR_MOMENTS = 2
"""Of a shadow so many moments are played in each plan: what happens in a future need not be known to the second."""

RENEWALS = 16
"""So many periods of a budget are looked forward to."""


class Rollout:
    """What happens from a snapshot on. `starts` holds when each waiting job started in it.

    Of those that `never` start in it nothing is awaited: they only count among those that wait. Whoever is stopped in it
    goes on from its last checkpoint that is known by now. Under a floor each plan is handed the shadow of the one before it.
    """

    def __init__(self, snapshot: Snapshot, now: float, pace: RuntimeAssumption, never: Collection[int] = ()) -> None:
        self.starts: dict[int, float] = {}
        self.looked_until: float | None = None  # None: until nothing was left to happen
        self._now = now
        self._pace = pace
        self._world = replace(snapshot, rules=replace(snapshot.rules, floor_moments=FLOOR_MOMENTS))
        self._waiting = {job.id: job for job in snapshot.waiting}
        self._running: dict[int, RunningJob] = {}
        self._ends: dict[int, float] = {}
        self._line_of_ends: list[tuple[float, int]] = []
        self._passed = 0
        self._keeps_floor = keeps_floor(snapshot)
        self._meter = Meter(snapshot) if any(one.hard for one in snapshot.budgets) else None
        self._stood: dict[int, WaitingJob] = {}  # those that have started in it, as they stood in line
        self._ended = list(snapshot.ended)
        self._leaves = {one.name: one.leaves_at for one in snapshot.nodes if one.leaves_at is not None}
        self._cut_short: set[int] = set()  # those whose nodes go before they have ended
        self._wake: float | None = (
            None  # when the shadow has something new to say, or enough GPU time ahead was used up
        )
        self._wakes_left = 0
        for job in snapshot.running:
            self._runs(job, pace.end(job, now, snapshot.rules))
        self._moments = sorted(moment for moment in _moments(snapshot, now, never) if moment > now)
        self._will_end = len(snapshot.running) + len(snapshot.waiting) - len(never)

    def run(self, wanted: Collection[int], plans: int, horizon: float) -> Self:
        """Go on until these jobs have started, nothing more can happen, or it was enough."""
        coarseness = self._will_end ** (1 / plans) - 1 if self._will_end > plans else 0.0
        self._wakes_left = plans - self._will_end
        until = self._now + horizon
        for _ in range(plans if wanted else 0):
            self._carry_out(make_plan(self._snapshot(), self._now))
            if self.starts.keys() >= set(wanted) or not self._go_on(max(1, ceil(self._passed * coarseness))):
                return self
            if self._now > until:
                break
        self.looked_until = self._now
        return self

    def _snapshot(self) -> Snapshot:
        waiting, running = tuple(self._waiting.values()), tuple(self._running.values())
        ended = tuple(self._ended)
        return replace(self._world, waiting=waiting, running=running, taken_at=self._now, ended=ended)

    def _carry_out(self, plan: Plan) -> None:
        self._world = replace(self._world, longest_wait=plan.longest_wait)
        self._wake = plan.next_at
        if self._keeps_floor:
            self._world, self._ended = replace(self._world, shadow=plan.shadow), []
        for placed in plan.placements:
            job = self._stood[placed.job_id] = self._waiting.pop(placed.job_id)
            self.starts.setdefault(job.id, self._now)
            length = self._pace.run(job, self._world.rules)
            self._runs(started(job, placed.shares, self._now), self._now + length)
        for one in plan.preemptions:
            self._preempt(one)

    def _runs(self, job: RunningJob, end: float) -> None:
        goes = min((self._leaves[one.node] for one in job.shares if one.node in self._leaves), default=end)
        if goes < end and job.request is not None:
            self._cut_short.add(job.id)
            end = max(goes, self._now)
        self._running[job.id] = job
        self._ends[job.id] = end
        heappush(self._line_of_ends, (end, job.id))

    def _preempt(self, one: PlannedPreemption) -> None:
        self._world = replace(self._world, recent_preemptions=self._world.recent_preemptions + 1)
        self._runs(replace(self._running[one.job_id], leaving=True, leaving_for=one.for_job), self._now + SOON)
        if one.for_job in self._waiting:  # under a floor a job may also stop to go on elsewhere
            self._waiting[one.for_job] = replace(self._waiting[one.for_job], promised=True)

    def _go_on(self, number: int) -> bool:
        """To the next moment at which something changes, over so many ends; False if there is none."""
        upcoming = self._next_end()
        if self._wakes_before(upcoming, number):
            return True
        if self._moments and (upcoming is None or self._moments[0] <= upcoming):
            self._now = self._moments.pop(0)
            return True
        if upcoming is None:
            return False
        while upcoming is not None and (number > 0 or upcoming <= self._now):
            self._now = upcoming
            self._end(heappop(self._line_of_ends)[1])
            number -= 1
            upcoming = self._next_end()
        return True

    def _wakes_before(self, upcoming: float | None, number: int) -> bool:
        """To what the last plan waits for, if that comes before anything else; not where it would take plans from what follows."""
        wake, others = self._wake, [*self._moments[:1], *([] if upcoming is None else [upcoming])]
        if wake is None or min(others, default=wake) < wake or (others and (number > 1 or self._wakes_left <= 0)):
            return False
        self._now, self._wake = wake, None
        self._wakes_left -= 1
        return True

    def _next_end(self) -> float | None:
        """Leaves out the ends of jobs that ended before, because they were stopped."""
        line = self._line_of_ends
        while line and self._ends.get(line[0][1]) != line[0][0]:
            heappop(line)
        return line[0][0] if line else None

    def _end(self, job_id: int) -> None:
        self._passed += 1
        job = self._running.pop(job_id)
        del self._ends[job_id]
        if self._meter is not None:
            self._world = replace(self._world, budgets=with_ended(self._world, self._meter, job, self._now))
        stood = self._as_it_stood(job_id)
        if self._world.kept:  # whoever moves takes what was kept for it, as far as a forecast goes
            self._world = replace(self._world, kept=tuple(one for one in self._world.kept if one.job_id != job_id))
        then = job.leaves_to if job.leaving else JobState.COMPLETED
        goes_on = then == JobState.PENDING or job_id in self._cut_short
        self._cut_short.discard(job_id)
        if goes_on and (stood or job.request) is not None:
            self._waiting[job_id] = back_in_line(job, self._now, self._world.rules, stood)
            return
        if then == JobState.PAUSED:
            return  # who waits for it waits on
        if self._keeps_floor and stood is not None:
            cost = self._world.rules.preemption.restart_cost_seconds
            self._ended.append(EndedJob(stood, work_done(job, self._now, cost)))
        for waiting in [one for one in self._waiting.values() if job_id in one.unmet]:
            self._waiting[waiting.id] = self._with_ended(waiting, job_id, then)

    def _as_it_stood(self, job_id: int) -> WaitingJob | None:
        """In line, as far as that is known."""
        shadow = self._world.shadow
        known = shadow.jobs.get(job_id) if shadow is not None else None
        return self._stood.get(job_id) or (known.job if known is not None else None)

    def _with_ended(self, waiting: WaitingJob, needed: int, state: JobState) -> WaitingJob:
        """Who needed another end waits in vain from then on, and urges nobody."""
        left = tuple(one for one in waiting.unmet if one != needed)
        completed = state == JobState.COMPLETED and needed not in waiting.needs_failure
        if not completed and needed not in waiting.needs_end:
            return replace(waiting, unmet=left, broken=(*waiting.broken, needed))
        return replace(waiting, unmet=left, eligible_at=waiting.eligible_at if left else self._now)


def carried_out(snapshot: Snapshot, plan: Plan, now: float) -> Snapshot:
    """The snapshot once all that the plan starts runs."""
    waiting = {job.id: job for job in snapshot.waiting}
    new = tuple(started(waiting.pop(one.job_id), one.shares, now) for one in plan.placements)
    return replace(snapshot, waiting=tuple(waiting.values()), running=(*snapshot.running, *new))


def back_in_line(job: RunningJob, now: float, rules: Rules, stood: WaitingJob | None = None) -> WaitingJob:
    """A job that was stopped, as it waits again: as it stood in line where that is known, else for what it held.

    It goes on from its last checkpoint that is known; without any it has all left to do.
    """
    saved = work_saved(job, rules.preemption.restart_cost_seconds)
    if stood is not None:
        free = replace(stood, promised=False, room=(), pinned=False)
        return replace(free, preemptions=job.preemptions + 1, saved_seconds=saved)
    if job.request is None:
        raise ValueError(f"Nobody knows what job {job.id} asks for.")
    return replace(in_line(job, now), preemptions=job.preemptions + 1, saved_seconds=saved)


def _moments(snapshot: Snapshot, now: float, never: Container[int]) -> Iterator[float]:
    """When jobs become free to start, when nodes are reserved and free again, and when budgets are renewed."""
    for job in snapshot.waiting:
        if job.not_before is not None and job.id not in never:
            yield job.not_before
    for window in snapshot.reservations:
        yield window.start
        yield window.end
    for budget in snapshot.budgets if snapshot.waiting else ():
        if budget.hard:
            yield from islice(renewals(budget, now), RENEWALS)
