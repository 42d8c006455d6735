"""Plays a world forward: plans are carried out, jobs arrive and end, until the moment that a test asks about."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from scheduling.planning.plan import Plan, make_plan
from scheduling.snapshot import Snapshot, WaitingJob
from scheduling.stages import started

Length = Callable[[WaitingJob], float]


def to_its_limit(job: WaitingJob) -> float:
    return float(job.max_runtime_seconds or 0)


class Played:
    """`starts` says when each job started. Jobs run for `length`; `more` says who arrives, asked before each plan."""

    def __init__(self, world: Snapshot, now: float, length: Length) -> None:
        self.now = now
        self.world = world
        self.starts: dict[int, float] = {}
        self.plans: list[Plan] = []
        self._length = length
        self._ends = {job.id: job.expected_end or now for job in world.running}

    def until(self, moment: float, more: Callable[[Snapshot], Iterable[WaitingJob]] = lambda _: ()) -> "Played":
        while True:
            self.world = replace(self.world, waiting=(*self.world.waiting, *more(self.world)))
            self._carry_out(make_plan(self.world, self.now))
            ends = [end for end in self._ends.values() if end > self.now]
            if not ends or min(ends) > moment:
                return self
            self.now = min(ends)
            self._end([job_id for job_id, end in self._ends.items() if end <= self.now])

    def _carry_out(self, plan: Plan) -> None:
        self.plans.append(plan)
        jobs = {job.id: job for job in self.world.waiting}
        for one in plan.placements:
            job = jobs.pop(one.job_id)
            self.starts[job.id] = self.now
            self._ends[job.id] = self.now + self._length(job)
            new = started(job, one.shares, self.now)
            self.world = replace(self.world, running=(*self.world.running, new))
        self.world = replace(self.world, waiting=tuple(jobs.values()))

    def _end(self, ended: list[int]) -> None:
        for job_id in ended:
            del self._ends[job_id]
        self.world = replace(self.world, running=tuple(job for job in self.world.running if job.id in self._ends))
