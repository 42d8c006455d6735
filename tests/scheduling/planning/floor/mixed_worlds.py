"""Worlds with a queue of urgent jobs, for which others may be stopped, above a queue that keeps a floor; played forward."""

from collections import defaultdict
from dataclasses import dataclass, replace
from random import Random

from scheduling.plan_result import BrokenPromise, Plan, PlannedPreemption
from scheduling.planning.floor.progress import work_done
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import EndedJob, ProjectView, QueueView, Shadow, Snapshot, WaitingJob
from scheduling.stages import started
from tests.scheduling.builders import cpu_node, waiting

CYCLE = 5.0
LONGEST_GRACE = 20.0
TOLERATED = 3 * LONGEST_GRACE
QUEUES = (QueueView("live", 20), QueueView("batch", 0, policy="floor"))


@dataclass(frozen=True)
class Trace:
    """Jobs by the moment of their arrival, how long each really runs, and how long each takes to go when it is told to."""

    world: Snapshot
    jobs: tuple[WaitingJob, ...]
    runs: dict[int, float]
    leaves_in: dict[int, float]


@dataclass(frozen=True)
class Stop:
    """A job that was told to give way, for whom, and when it had gone."""

    told: float
    job_id: int
    for_job: int
    strategy: str
    gone: float = float("inf")


def mixed(seed: int, *, urgent: bool = True, most: int = 3) -> Trace:
    dice = Random(seed)  # noqa: S311 - no secret
    nodes = tuple(cpu_node(f"n{number}", cpus=4) for number in range(dice.randint(1, 3)))
    rules = Rules(
        preemption=Preemption(("priority",), max_per_hour=10**6, max_per_job=most, min_runtime_seconds=0,
                              restart_cost_seconds=0.0),
        floor_tolerance_seconds=TOLERATED, explain=False,
    )  # fmt: skip
    jobs, now = [], 0.0
    for number in range(1, dice.randint(6, 22)):
        now += dice.choice((0.0, 0.0, 10.0, 40.0, 100.0))
        jobs.append(_job(number, now, dice, live=urgent and dice.random() < 0.3, nodes=len(nodes)))
    runs = {job.id: float(dice.randint(1, job.max_runtime_seconds or 1)) for job in jobs}
    leaves_in = {job.id: float(dice.choice((0, 0, 3, LONGEST_GRACE))) for job in jobs}
    world = Snapshot((), (), nodes, QUEUES, (ProjectView("vision"),), rules=rules)
    return Trace(world, tuple(jobs), runs, leaves_in)


def _job(number: int, now: float, dice: Random, *, live: bool, nodes: int) -> WaitingJob:
    return waiting(
        number,
        queue="live" if live else "batch",
        priority=dice.choice((90, 90, 50)) if live else dice.choice((10, 50)),
        submitted_at=now,
        request=Request(cpus=dice.randint(1, 4), nodes=dice.choice((1, 1, 1, nodes))),
        max_runtime_seconds=dice.choice((30, 100, 400)),
        checkpointable=dice.random() < (0.3 if live else 0.6),
    )


class Mixed:
    """What happens is what the plans say, and the ends of jobs. Jobs save their work all the time."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.now = 0.0
        self.world = trace.world
        self.stops: list[Stop] = []
        self.starts: defaultdict[int, list[float]] = defaultdict(list)
        self.ends: dict[int, float] = {}
        self.broken: list[tuple[float, BrokenPromise]] = []
        self.promised: dict[
            int, float
        ] = {}  # when each is to end at the latest, by the last promise that was not broken
        self._arrivals = list(trace.jobs)
        self._ended: list[EndedJob] = []
        self._shadow: Shadow | None = None
        self._leave_at: dict[int, float] = {}
        self._stood: dict[int, WaitingJob] = {}

    def play(self, until: float = 20_000.0) -> "Mixed":
        while len(self.ends) < len(self.trace.jobs) and self.now < until:
            self._happen()
            self._carry_out(make_plan(self._seen(), self.now))
            self.now = min([self.now + CYCLE, *(moment for moment in self._moments() if moment > self.now)])
        return self

    def _moments(self) -> list[float]:
        arrivals = [job.submitted_at for job in self._arrivals[:1]]
        return [*arrivals, *self._leave_at.values(), *(self._end_of(job.id) for job in self.world.running)]

    def _end_of(self, job_id: int) -> float:
        [job] = [job for job in self.world.running if job.id == job_id]
        return (job.started_at or 0.0) + self.trace.runs[job_id] - job.saved_seconds

    def _happen(self) -> None:
        new = [job for job in self._arrivals if job.submitted_at <= self.now]
        self._arrivals = self._arrivals[len(new) :]
        self.world = replace(self.world, waiting=(*self.world.waiting, *new))
        for job in self.world.running:
            if self._end_of(job.id) <= self.now:
                self._leave(job.id)
                self.ends[job.id] = self.now
                self._ended.append(EndedJob(self._stood[job.id], self.trace.runs[job.id]))
            elif self._leave_at.get(job.id, self.now + 1) <= self.now:
                self._leave(job.id)
                saved, before = work_done(job, self.now, 0.0), self._stood[job.id]
                again = replace(before, saved_seconds=saved, preemptions=before.preemptions + 1)
                self.world = replace(self.world, waiting=(*self.world.waiting, again))

    def _leave(self, job_id: int) -> None:
        self._leave_at.pop(job_id, None)
        self.stops = [
            replace(one, gone=self.now) if one.job_id == job_id and one.gone > self.now else one for one in self.stops
        ]
        left = tuple(job for job in self.world.running if job.id != job_id)
        self.world = replace(self.world, running=left)

    def _seen(self) -> Snapshot:
        running = tuple(
            replace(job, checkpoint_at=self.now) if job.checkpointable else job for job in self.world.running
        )
        ended, self._ended = tuple(self._ended), []
        return replace(self.world, running=running, taken_at=self.now, shadow=self._shadow, ended=ended)

    def _carry_out(self, plan: Plan) -> None:
        self._shadow = plan.shadow
        self._note_promises(plan)
        placed = {one.job_id: one.shares for one in plan.placements}
        for one in plan.preemptions:
            self._stop(one)
        for job in self.world.waiting:
            if job.id in placed:
                self.starts[job.id].append(self.now)
                self._stood[job.id] = replace(job, promised=False, room=())
        waits = tuple(job for job in self.world.waiting if job.id not in placed)
        new = tuple(started(self._stood[job_id], shares, self.now) for job_id, shares in placed.items())
        self.world = replace(self.world, waiting=waits, running=(*self.world.running, *new))

    def _stop(self, one: PlannedPreemption) -> None:
        job_id, for_job = one.job_id, one.for_job
        self.stops.append(Stop(self.now, job_id, for_job, one.strategy))
        [job] = [job for job in self.world.running if job.id == job_id]
        running = tuple(
            replace(other, leaving=True, leaving_for=for_job) if other.id == job_id else other
            for other in self.world.running
        )
        waits = tuple(
            replace(other, promised=True, room=(*other.room, *job.shares)) if other.id == for_job else other
            for other in self.world.waiting
        )
        self.world = replace(self.world, running=running, waiting=waits)
        self._leave_at[job_id] = self.now + self.trace.leaves_in[job_id]

    def _note_promises(self, plan: Plan) -> None:
        self.broken += [(self.now, one) for one in plan.broken]
        for one in plan.broken:
            self.promised.pop(one.job_id, None)
        for job_id, there in plan.shadow.jobs.items() if plan.shadow else ():
            if there.started_at is not None:
                start = there.started_at - there.late_seconds
                self.promised.setdefault(job_id, start + self.trace.runs[job_id])
