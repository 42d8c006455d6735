"""Who could run does start, within a bound; and who is told to go goes for something."""

from dataclasses import dataclass, field, replace

from fuzz.findings import expect
from fuzz.state import State
from fuzz.worlds import LONGEST
from scheduling.plan_result import Plan
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.floor.turns import STRATEGY
from scheduling.planning.plan import make_plan
from scheduling.rules import HOUR, Backfill
from scheduling.sharing.cohorts import Cohorts
from scheduling.snapshot import Snapshot, WaitingJob

AFTER_ALL_ARE_GONE = 15.0
"""So soon the job starts that others were stopped for: three cycles of the planner."""
MOST = 3 * LONGEST + 2 * HOUR
"""Nobody holds a place for longer: what a job without a limit runs at most, and the longest that one is suspended."""
FIRST_STARTS_WITHIN = 2 * MOST
"""Whoever has waited longest of all that could run waits for those that run as he gets there, and then perhaps for one
that went past its assumed limit behind him. So everybody starts in his turn: before he was the oldest, others were."""
TWICE = 2


def starts_alone(world: Snapshot, now: float, job: WaitingJob) -> bool:
    """Whether it would start on the empty platform, as it is at this moment."""
    alone = replace(job, promised=False, room=())
    rules = replace(world.rules, explain=False)
    return bool(make_plan(replace(world, waiting=(alone,), running=(), rules=rules), now).placements)


def _could(job: WaitingJob, now: float) -> bool:
    return not (job.held or job.unmet or job.broken or (job.not_before or 0) > now)


def _borrows(world: Snapshot, job: WaitingJob) -> bool:
    """Whether only borrowed quota could hold it: of that nobody is promised anything."""
    cohorts = Cohorts.of(world.projects)
    return cohorts is not None and bool(cohorts.lent_by(job.project, job.request.total, {}))


class Starvation:
    """Watches whoever has waited longest, beyond the bounded wait, of those that could run."""

    def __init__(self) -> None:
        self._first: tuple[int, int] = (0, 0)
        self._since = 0.0

    def look(self, state: State, world: Snapshot, plan: Plan) -> None:
        placed = {one.job_id for one in plan.placements}
        windows = world.reservations or any(node.leaves_at is not None for node in world.nodes)
        if not world.running and not placed and not windows:
            could = [job.id for job in world.waiting if _could(job, state.now) and starts_alone(world, state.now, job)]
            # With slack a floor lets several that exclude each other wait until the shadow is there, and knows who goes first.
            several = len(could) > 1 and keeps_floor(world) and world.rules.floor_slack > 0
            expect(not could or several, "idle", f"nothing runs, and {could} could")
        first = self._oldest(state, world)
        key = (0 if first is None else first.id, state.touched.get(None, 0))
        if first is None or first.id in placed or key != self._first:
            self._first, self._since = key, state.now
            return
        waited = state.now - self._since
        expect(
            waited <= FIRST_STARTS_WITHIN, "starvation", f"job {first.id} is the oldest, and waits {waited:.0f} s more"
        )

    def _oldest(self, state: State, world: Snapshot) -> WaitingJob | None:
        bound = world.rules.bounded_wait_seconds
        if bound is None:
            return None
        for job in sorted(world.waiting, key=lambda job: (job.waits_since, job.id)):
            if state.now - job.waits_since < TWICE * bound:
                return None
            if _could(job, state.now) and not _borrows(world, job) and starts_alone(world, state.now, job):
                return job
        return None


@dataclass(slots=True)
class Stop:
    """Room that is made for a job: who still has to go, and what was done from outside by then to him and the cluster."""

    victims: set[int]
    awaited: set[int]  # these, and all others that leave by then: its place may be one of theirs
    touched: tuple[int, int]
    priority: int
    told_at: float
    nodes: set[str] = field(default_factory=set)
    gone_at: float | None = None


class Stops:
    """Holds each stop to what it was for."""

    def __init__(self) -> None:
        self._open: dict[int, Stop] = {}

    def look(self, state: State, world: Snapshot, plan: Plan) -> None:
        """Before the plan is carried out."""
        for job_id in [job_id for job_id, stop in self._open.items() if self._is_settled(state, job_id, stop)]:
            del self._open[job_id]
        self._somebody_starts_in_the_room(world, plan)
        for job_id, stop in self._open.items():
            if stop.gone_at is None and not stop.awaited & _leaving(world):
                stop.gone_at = state.now
            late = stop.gone_at is not None and state.now - stop.gone_at > AFTER_ALL_ARE_GONE
            in_turn = world.rules.backfill is Backfill.NONE
            names = ", ".join(map(str, sorted(stop.victims)))
            expect(not late or in_turn, "in vain", f"{names} went for job {job_id}, which does not start")
        self._told(state, world, plan)

    def _is_settled(self, state: State, job_id: int, stop: Stop) -> bool:
        return job_id not in state.waiting or stop.touched != _touched(state, job_id)

    def _somebody_starts_in_the_room(self, world: Snapshot, plan: Plan) -> None:
        waiting = {job.id: job for job in world.waiting}
        for placed in plan.placements:
            self._open.pop(placed.job_id, None)
            names = {share.node for share in placed.shares}
            for job_id, stop in list(self._open.items()):
                if waiting[placed.job_id].priority > stop.priority and names & stop.nodes:
                    del self._open[job_id]

    def _told(self, state: State, world: Snapshot, plan: Plan) -> None:
        waiting, running = {job.id: job for job in world.waiting}, {job.id: job for job in world.running}
        now_told: dict[int, set[int]] = {}
        floor = keeps_floor(world)
        for one in plan.preemptions:
            # Under a floor a job may stop to go on elsewhere; and what is freed by another right may go to whose turn comes.
            if one.for_job not in waiting or (floor and one.strategy != STRATEGY):
                continue
            now_told.setdefault(one.for_job, set()).add(one.job_id)
        awaited = _leaving(world) | {one.job_id for one in plan.preemptions}
        for job_id, victims in now_told.items():
            before = self._open.get(job_id)
            again = f"{sorted(victims)} are stopped for job {job_id}, after {sorted(before.victims) if before else ''}"
            expect(before is None, "stopped again", again)
            nodes = {share.node for victim in victims for share in running[victim].shares}
            self._open[job_id] = Stop(
                victims, awaited, _touched(state, job_id), waiting[job_id].priority, state.now, nodes
            )


def _leaving(world: Snapshot) -> set[int]:
    return {job.id for job in world.running if job.leaving}


def _touched(state: State, job_id: int) -> tuple[int, int]:
    return (state.touched.get(job_id, 0), state.touched.get(None, 0))
