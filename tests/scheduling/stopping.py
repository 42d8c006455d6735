"""Plans carried out as time goes by: who is told to stop takes a while to go, and the planner runs every few seconds."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from scheduling.forecast.rollout import back_in_line
from scheduling.planning.plan import Plan, make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import Allocation, Limits, ProjectView, QueueView, RunningJob, Snapshot, WaitingJob
from scheduling.stages import started
from tests.scheduling.builders import gpu_node

NOW = 100_000.0
CYCLE = 5.0
KNOBS = Preemption(("priority",), max_per_hour=10**6)
QUEUES = (QueueView("live", 20), QueueView("default", 10), QueueView("batch", 0))
PROJECTS = (ProjectView("org"), ProjectView("vision", "org"), ProjectView("speech", "org"))


class Playing:
    """A world in which only what its plans say happens. `told` are the stops: who, and for whom."""

    def __init__(self, world: Snapshot, leave_in: Mapping[int, float], *, says_for_whom: bool = True) -> None:
        self.world = self.began = world
        self.now = NOW
        self.told: list[tuple[int, int]] = []
        self.starts: dict[int, float] = {}
        self.gone: dict[int, float] = {}
        self._leave_in = leave_in
        self._says = says_for_whom
        self._leaves = {job.id: NOW + leave_in.get(job.id, 0.0) for job in world.running if job.leaving}

    def play(self, cycles: int) -> "Playing":
        for _ in range(cycles):
            self._carry_out(make_plan(self.world, self.now))
            self.now += CYCLE
            self._end_stops()
        return self

    def _carry_out(self, plan: Plan) -> None:
        self.told += [(one.job_id, one.for_job) for one in plan.preemptions]
        told, helped = {one.job_id: one.for_job for one in plan.preemptions}, {one.for_job for one in plan.preemptions}
        placed = {one.job_id: one.shares for one in plan.placements}
        self.starts |= dict.fromkeys(placed, self.now)
        self._leaves |= {job_id: self.now + self._leave_in.get(job_id, 0.0) for job_id in told}
        running = [self._told(job, told[job.id]) if job.id in told else job for job in self.world.running]
        running += [started(job, placed[job.id], self.now) for job in self.world.waiting if job.id in placed]
        waiting = [
            self._helped(job, plan) if job.id in helped else job for job in self.world.waiting if job.id not in placed
        ]
        recent = self.world.recent_preemptions + len(told)
        self.world = replace(self.world, waiting=tuple(waiting), running=tuple(running), recent_preemptions=recent)

    def _told(self, job: RunningJob, for_job: int) -> RunningJob:
        return replace(job, leaving=True, leaving_for=for_job if self._says else None)

    def _helped(self, job: WaitingJob, plan: Plan) -> WaitingJob:
        gone = {one.job_id for one in plan.preemptions if one.for_job == job.id}
        room = tuple(share for one in self.world.running if one.id in gone for share in one.shares)
        return replace(job, promised=True, room=(*job.room, *room) if self._says else ())

    def _end_stops(self) -> None:
        gone = {job_id for job_id, moment in self._leaves.items() if moment <= self.now}
        self.gone |= dict.fromkeys(gone, self.now)
        back = tuple(back_in_line(job, self.now, self.world.rules) for job in self.world.running if job.id in gone)
        left = tuple(job for job in self.world.running if job.id not in gone)
        self._leaves = {job_id: moment for job_id, moment in self._leaves.items() if job_id not in gone}
        self.world = replace(self.world, running=left, waiting=(*self.world.waiting, *back))


def at_once(world: Snapshot) -> list[tuple[int, int]]:
    """The stops of one who sees everybody gone the moment that they are told."""
    playing = Playing(world, {})
    while True:
        before = len(playing.told)
        playing.play(1)
        playing.now = NOW
        if len(playing.told) == before:
            return playing.told


def background(job_id: int, node: str, *indices: int, **more) -> RunningJob:
    """A job that could be stopped: it writes checkpoints, has run for two hours, and goes on for a day."""
    request = more.pop("request", Request(cpus=max(1, len(indices)), gpus=len(indices)))
    share = Allocation(node, request.amount, indices)
    fields: dict[str, Any] = {"project": "vision", "queue": "default", "priority": 10, "checkpointable": True} | more
    return RunningJob(
        job_id, shares=(share,), started_at=NOW - 7200, expected_end=NOW + 90_000, request=request, **fields
    )


def crowded(dice: Random) -> Snapshot:
    """Nodes full of background jobs of all widths, urgent jobs that want them, and small ones that would slip in."""
    widths = {f"n{number}": dice.choice(((8,), (4, 4), (4, 2, 2), (2, 2, 2, 2), (1,) * 8)) for number in range(6)}
    running, job_id = [], 900
    for name, parts in widths.items():
        first = 0
        for width in parts:
            project = dice.choice(("vision", "speech"))
            running.append(background(job_id, name, *range(first, first + width), project=project))
            first, job_id = first + width, job_id + 1
    urgent = [
        _waits(number, 90, Request(cpus=1, gpus=dice.choice((1, 2, 4, 8)), nodes=dice.choice((1, 1, 1, 2))), dice)
        for number in range(1, dice.randint(2, 6))
    ]
    small = [_waits(number, 30, Request(cpus=1, gpus=dice.choice((1, 2))), dice) for number in range(50, 60)]
    quota = dice.choice((None, None, Limits(gpus=48), Limits(running_jobs=len(running))))
    projects = (replace(PROJECTS[0], limits=quota), *PROJECTS[1:])
    rules = Rules(preemption=KNOBS, explain=False, placement=dice.choice(("best_fit", "least_loaded", "first_fit")))
    nodes = tuple(gpu_node(name, 8) for name in widths)
    return Snapshot((*urgent, *small), tuple(running), nodes, QUEUES, projects, rules=rules)


def _waits(job_id: int, priority: int, request: Request, dice: Random) -> WaitingJob:
    project = dice.choice(("vision", "speech"))
    return WaitingJob(job_id, project, "default", priority, float(job_id), request, max_runtime_seconds=86_400)


def whole_nodes(dice: Random) -> Snapshot:
    """Urgent jobs want nodes as a whole, one or several; behind them stands what would slip into each GPU that is free."""
    seen = crowded(dice)
    urgent = [
        replace(job, request=Request(cpus=1, gpus=8, nodes=dice.choice((1, 1, 2)))) if job.id < 50 else job
        for job in seen.waiting[:4]
    ]
    small = [_waits(number, 10, Request(cpus=1, gpus=dice.choice((1, 2, 4))), dice) for number in range(50, 56)]
    running = tuple(replace(job, leaving=dice.random() < 0.15) for job in seen.running)
    return replace(seen, waiting=(*(job for job in urgent if job.id < 50), *small), running=running)
