"""One possible future: plans are carried out one after another, and jobs end as a pace says."""

from collections.abc import Collection, Container, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from math import ceil
from typing import Self

from scheduling.forecast.runtime_assumptions import RuntimeAssumption
from scheduling.plan_result import Plan, PlannedPreemption
from scheduling.planning.floor.progress import work_done
from scheduling.planning.plan import make_plan
from scheduling.run_times import SOON, limit_of
from scheduling.snapshot import Allocation, EndedJob, RunningJob, Snapshot, WaitingJob


class Rollout:
    """What happens from a snapshot on. `starts` holds when each waiting job started in it.

    Of those that `never` start in it nothing is awaited: they only count among those that wait.
    """

    def __init__(self, snapshot: Snapshot, now: float, pace: RuntimeAssumption, never: Collection[int] = ()) -> None:
        self.starts: dict[int, float] = {}
        self.looked_until: float | None = None  # None: until nothing was left to happen
        self._now = now
        self._pace = pace
        self._world = snapshot
        self._waiting = {job.id: job for job in snapshot.waiting}
        self._running: dict[int, RunningJob] = {}
        self._ends: dict[int, float] = {}
        self._line_of_ends: list[tuple[float, int]] = []
        self._passed = 0
        self._next_at: float | None = None  # when a floor has something new to say, if nothing happens before
        for job in snapshot.running:
            self._runs(job, pace.end(job, now, snapshot.rules))
        self._moments = sorted(moment for moment in _moments(snapshot, never) if moment > now)
        self._will_end = len(snapshot.running) + len(snapshot.waiting) - len(never)

    def run(self, wanted: Collection[int], plans: int, horizon: float) -> Self:
        """Go on until these jobs have started, nothing more can happen, or it was enough."""
        coarseness = self._will_end ** (1 / plans) - 1 if self._will_end > plans else 0.0
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
        return replace(self._world, waiting=waiting, running=running, taken_at=self._now)

    def _carry_out(self, plan: Plan) -> None:
        self._world, self._next_at = replace(self._world, shadow=plan.shadow, ended=()), plan.next_at
        for placed in plan.placements:
            job = self._waiting.pop(placed.job_id)
            self.starts.setdefault(job.id, self._now)
            length = self._pace.run(job, self._world.rules)
            self._runs(started(job, placed.shares, self._now), self._now + length)
        for one in plan.preemptions:
            self._preempt(one)

    def _runs(self, job: RunningJob, end: float) -> None:
        self._running[job.id] = job
        self._ends[job.id] = end
        heappush(self._line_of_ends, (end, job.id))

    def _preempt(self, one: PlannedPreemption) -> None:
        self._world = replace(self._world, recent_preemptions=self._world.recent_preemptions + 1)
        self._runs(replace(self._running[one.job_id], leaving=True, leaving_for=one.for_job), self._now + SOON)
        if one.for_job in self._waiting:  # one that is stopped for itself moves
            self._waiting[one.for_job] = replace(self._waiting[one.for_job], promised=True)

    def _go_on(self, number: int) -> bool:
        """To the next moment at which something changes, over so many ends; False if there is none."""
        upcoming, moments = self._next_end(), self._moments[:1]
        if self._next_at is not None and (number == 1 or upcoming is None):  # who takes long strides looks in later
            moments.append(self._next_at)
        if moments and (upcoming is None or min(moments) <= upcoming):
            self._now = min(moments)
            self._moments = [moment for moment in self._moments if moment > self._now]
            return True
        if upcoming is None:
            return False
        while upcoming is not None and (number > 0 or upcoming <= self._now):
            self._now = upcoming
            self._end(heappop(self._line_of_ends)[1])
            number -= 1
            upcoming = self._next_end()
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
        if job.leaving and job.request is not None:
            self._waiting[job_id] = back_in_line(job, self._now)
            return
        self._tell_the_shadow(job)
        for waiting in [one for one in self._waiting.values() if job_id in one.unmet]:
            self._waiting[waiting.id] = self._completed(waiting, job_id)

    def _tell_the_shadow(self, job: RunningJob) -> None:
        """Where a floor is kept, the next plan has to know what the job took: there it may still run, or wait."""
        known = self._world.shadow.jobs.get(job.id) if self._world.shadow is not None else None
        if known is not None:
            work = work_done(job, self._now, self._world.rules.preemption.restart_cost_seconds)
            self._world = replace(self._world, ended=(*self._world.ended, EndedJob(known.job, work)))

    def _completed(self, waiting: WaitingJob, needed: int) -> WaitingJob:
        """Every job is taken to complete: who needed its failure waits in vain from then on, and urges nobody."""
        left = tuple(one for one in waiting.unmet if one != needed)
        if needed in waiting.needs_failure:
            return replace(waiting, unmet=left, broken=(*waiting.broken, needed))
        return replace(waiting, unmet=left, eligible_at=waiting.eligible_at if left else self._now)


def carried_out(snapshot: Snapshot, plan: Plan, now: float) -> Snapshot:
    """The snapshot once all that the plan starts runs."""
    waiting = {job.id: job for job in snapshot.waiting}
    new = tuple(started(waiting.pop(one.job_id), one.shares, now) for one in plan.placements)
    return replace(snapshot, waiting=tuple(waiting.values()), running=(*snapshot.running, *new))


def started(job: WaitingJob, shares: tuple[Allocation, ...], now: float) -> RunningJob:
    """The job as it runs once it is placed there."""
    return RunningJob(
        id=job.id,
        project=job.project,
        queue=job.queue,
        priority=job.priority,
        shares=shares,
        started_at=now,
        expected_end=now + job.max_runtime_seconds if job.max_runtime_seconds else None,
        owner=job.owner,
        request=job.request,
        predicted_end=now + job.predicted_seconds if job.predicted_seconds else None,
        checkpointable=job.checkpointable,
        preemptible=job.preemptible,
        preemptions=job.preemptions,
        saved_seconds=job.saved_seconds,
    )


def back_in_line(job: RunningJob, now: float) -> WaitingJob:
    """A job that was stopped, as it waits again for what it held. What it has left to do is not known: all of it."""
    if job.request is None:
        raise ValueError(f"Nobody knows what job {job.id} asks for.")
    return WaitingJob(
        id=job.id,
        project=job.project,
        queue=job.queue,
        priority=job.priority,
        submitted_at=now,
        request=job.request,
        owner=job.owner,
        max_runtime_seconds=limit_of(job),
        checkpointable=job.checkpointable,
        preemptible=job.preemptible,
        preemptions=job.preemptions + 1,
        saved_seconds=job.saved_seconds,
    )


def _moments(snapshot: Snapshot, never: Container[int]) -> Iterator[float]:
    """When jobs become free to start, and when nodes are reserved and free again."""
    for job in snapshot.waiting:
        if job.not_before is not None and job.id not in never:
            yield job.not_before
    for window in snapshot.reservations:
        yield window.start
        yield window.end
