"""What is, at one moment of a world that is played: who waits, who runs, which machines there are, and what will happen next."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias

from fuzz.scenario import After, Arrival, Scenario
from scheduling.longest_wait import LongestWait
from scheduling.plan_result import Plan, PlannedJob, PlannedPreemption
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.floor.progress import work_done
from scheduling.snapshot import EndedJob, RunningJob, Shadow, Snapshot, UsageView, WaitingJob
from scheduling.stages import started

Step: TypeAlias = Callable[[], None]
HOUR = 3_600.0


@dataclass(slots=True)
class Running:
    """A job that holds its place: what the planner sees of it, and when it will really end."""

    job: RunningJob
    waited: WaitingJob  # as it stood in line
    end: float
    attempt: int


class State:
    """Moves on by `advance`. `touched` counts what was done from outside to each job, and under None to the cluster."""

    def __init__(self, scenario: Scenario, now: float) -> None:
        self.now = now
        self.cluster = scenario.empty
        self.waiting: dict[int, WaitingJob] = {}
        self.running: dict[int, Running] = {}
        self.done: dict[int, bool] = {}  # whether it completed
        self.held_since: dict[int, float] = {}
        self.stops: list[float] = []
        self.used: dict[tuple[str, str], float] = {}
        self.touched: dict[int | None, int] = {}
        self.counts_usage = self.restarts_cost = True
        self.shadow: Shadow | None = None
        self.longest_wait = LongestWait()
        self.ended: list[EndedJob] = []
        self.keeps_floor = keeps_floor(scenario.empty)
        self.known = {one.job.id: one for one in scenario.arrivals}
        self._left = {one.job.id: one.seconds for one in scenario.arrivals}
        self._agenda: list[tuple[float, int, Step]] = []
        self._numbers = count()

    def at(self, moment: float, step: Step) -> None:
        heappush(self._agenda, (moment, next(self._numbers), step))

    def advance(self, until: float) -> bool:
        """Everything that happens at the next moment; False if nothing does before `until`."""
        if not self._agenda or self._agenda[0][0] > until:
            return False
        self.now = max(self.now, self._agenda[0][0])
        while self._agenda and self._agenda[0][0] <= self.now:
            heappop(self._agenda)[2]()
        return True

    def snapshot(self) -> Snapshot:
        return replace(
            self.cluster,
            waiting=tuple(self.waiting.values()),
            running=tuple(self._seen(one) for one in self.running.values()),
            taken_at=self.now,
            usage=tuple(UsageView(project, owner, used) for (project, owner), used in sorted(self.used.items())),
            recent_preemptions=sum(self.now - HOUR < moment for moment in self.stops),
            shadow=self.shadow,
            longest_wait=self.longest_wait,
            ended=tuple(self.ended),
        )

    def hand_on(self, plan: Plan) -> None:
        """What the next plan is to know of this one."""
        self.shadow, self.ended, self.longest_wait = plan.shadow, [], plan.longest_wait

    def _seen(self, one: Running) -> RunningJob:
        """Of a job that stands still, what is left of its limit counts from now on; whom it leaves for, while that one waits.

        Under a floor a job that saves its work has done so a moment ago.
        """
        job = one.job
        if self.keeps_floor and job.checkpointable:
            job = replace(job, checkpoint_at=self.now)
        if job.suspended_since is not None and job.expected_end is not None:
            job = replace(job, expected_end=job.expected_end + self.now - job.suspended_since)
        if job.leaving_for is not None:
            waits = self.waiting.get(job.leaving_for)
            job = job if waits is not None and waits.promised else replace(job, leaving_for=None)
        return job

    def touch(self, *who: int | None) -> None:
        for one in who:
            self.touched[one] = self.touched.get(one, 0) + 1

    def submit(self, arrival: Arrival) -> None:
        job = arrival.job
        unmet = tuple(dict.fromkeys(need for need, _ in arrival.needs if need in self.waiting or need in self.running))
        after = dict(arrival.needs)
        self.waiting[job.id] = replace(
            job,
            unmet=unmet,
            needs_end=tuple(one for one in unmet if after[one] is After.ANY),
            needs_failure=tuple(one for one in unmet if after[one] is After.FAILED),
        )
        if job.held:
            self.held_since[job.id] = self.now
        for need, _ in arrival.needs:
            if need in self.done:
                self._settle(self.waiting.get(job.id), need)

    def start(self, placed: PlannedJob) -> None:
        waited = self.waiting.pop(placed.job_id)
        end = self.now + self._left[waited.id] + self._overhead(waited)
        attempt = next(self._numbers)
        self.running[waited.id] = Running(started(waited, placed.shares, self.now), waited, end, attempt)
        self._will_end(waited.id)

    def _overhead(self, job: WaitingJob | RunningJob) -> float:
        """What it takes to go on from saved work, where that is counted."""
        counted = self.restarts_cost and self.keeps_floor and job.saved_seconds
        return self.cluster.rules.preemption.restart_cost_seconds if counted else 0.0

    def _will_end(self, job_id: int) -> None:
        one = self.running[job_id]
        self.at(one.end, lambda: self._end(job_id, one.attempt, one.end))

    def _end(self, job_id: int, attempt: int, end: float) -> None:
        one = self.running.get(job_id)
        if one is not None and (one.attempt, one.end) == (attempt, end) and one.job.suspended_since is None:
            self.over(job_id, completed=not self.known[job_id].fails)

    def over(self, job_id: int, *, completed: bool, given_up: bool = False) -> None:
        """The job has ended for good, and those that wait for that hear of it."""
        if self.keeps_floor:
            self._tell_end(job_id, given_up=given_up)
        self.waiting.pop(job_id, None)
        self._leave_place(job_id)
        self.done[job_id] = completed
        for job in [job for job in self.waiting.values() if job_id in job.unmet]:
            self._settle(self.waiting.get(job.id), job_id)

    def _tell_end(self, job_id: int, *, given_up: bool) -> None:
        one = self.running.get(job_id)
        if one is not None:
            work = work_done(one.job, self.now, self.cluster.rules.preemption.restart_cost_seconds)
            self.ended.append(EndedJob(one.waited, work, given_up))
        elif job_id in self.waiting:
            self.ended.append(EndedJob(self.waiting[job_id], self.waiting[job_id].saved_seconds, given_up=True))

    def _leave_place(self, job_id: int) -> None:
        one = self.running.pop(job_id, None)
        if one is not None and self.counts_usage:
            gpus = sum(share.amount.gpus + share.amount.cpus / 8 for share in one.job.shares)
            key = (one.job.project, one.job.owner)
            self.used[key] = self.used.get(key, 0.0) + gpus * (self.now - (one.job.started_at or self.now))

    def _settle(self, job: WaitingJob | None, need: int) -> None:
        if job is None:
            return
        after, completed = dict(self.known[job.id].needs)[need], self.done[need]
        left = tuple(one for one in job.unmet if one != need)
        if after is After.ANY or completed == (after is After.OK):
            ready = job.eligible_at if left or job.broken else self.now
            ends, fails = (tuple(one for one in all_ if one != need) for all_ in (job.needs_end, job.needs_failure))
            self.waiting[job.id] = replace(job, unmet=left, eligible_at=ready, needs_end=ends, needs_failure=fails)
        elif self.known[job.id].waits_in_vain:
            self.waiting[job.id] = replace(job, unmet=left, broken=(*job.broken, need))
        else:
            self.over(job.id, completed=False)

    def tell_to_stop(self, planned: PlannedPreemption) -> None:
        """A victim goes when it is ready; the room that it leaves is that job's for which it goes."""
        one, winner = self.running[planned.job_id], self.waiting.get(planned.for_job)
        self.stops.append(self.now)
        one.job = replace(one.job, leaving=True, leaving_for=planned.for_job)
        if winner is not None:  # under a floor a job may also stop to go on elsewhere
            self.waiting[winner.id] = replace(winner, promised=True, room=(*winner.room, *one.job.shares))
        self.leave_soon(planned.job_id)

    def leave_soon(self, job_id: int) -> None:
        one = self.running[job_id]
        self.at(self.now + self.known[job_id].leaves_in, lambda: self.gone(job_id, one.attempt))

    def gone(self, job_id: int, attempt: int) -> None:
        """It has left its place, and stands in line again."""
        one = self.running.get(job_id)
        if one is None or one.attempt != attempt:
            return
        self._leave_place(job_id)
        saved = one.waited.saved_seconds
        if one.job.checkpointable:
            stood = 0.0 if one.job.suspended_since is None else self.now - one.job.suspended_since
            left = max(5.0, one.end - self.now + stood)
            saved += max(0.0, self._left[job_id] - left) if self.keeps_floor else 0.0
            self._left[job_id] = min(left, self._left[job_id]) if self.keeps_floor else left
        more = 1 if one.job.leaving_for is not None else 0
        self.waiting[job_id] = replace(
            one.waited, promised=False, room=(), preemptions=one.waited.preemptions + more, unmet=(), broken=(),
            saved_seconds=saved,
        )  # fmt: skip

    def suspend(self, job_id: int) -> None:
        one = self.running.get(job_id)
        if one is not None and one.job.suspended_since is None and not one.job.leaving:
            one.job = replace(one.job, suspended_since=self.now)

    def resume(self, job_id: int) -> None:
        one = self.running.get(job_id)
        if one is None or one.job.suspended_since is None:
            return
        stood = self.now - one.job.suspended_since
        later = {
            name: end + stood
            for name in ("expected_end", "predicted_end")
            if (end := getattr(one.job, name)) is not None
        }
        one.job, one.end = replace(one.job, suspended_since=None, **later), one.end + stood
        if one.end > self.now:
            self._will_end(job_id)

    def branch(self, lengths: Callable[[WaitingJob], float], ends: Callable[[RunningJob], float]) -> "State":
        """The same moment in another world in which nothing unforeseen happens, and jobs run so long."""
        seen = self.snapshot()
        other = State(Scenario(0, replace(self.cluster, usage=seen.usage), (), (), 0), self.now)
        other.waiting, other.done, other.stops = dict(self.waiting), dict(self.done), list(self.stops)
        other.used, other.restarts_cost = dict(self.used), False
        other.shadow, other.ended, other.longest_wait = self.shadow, list(self.ended), self.longest_wait
        other.known = {
            job_id: replace(one, fails=False, leaves_in=1.0, waits_in_vain=True) for job_id, one in self.known.items()
        }
        other._left = {job.id: lengths(job) for job in seen.waiting}
        for job in seen.running:
            other.running[job.id] = Running(job, self.running[job.id].waited, ends(job), 0)
            other._will_end(job.id)
        return other


def moments(cluster: Snapshot, waiting: Iterable[WaitingJob]) -> list[float]:
    """When something changes by the clock alone: a job may start from then on, nodes are reserved and free again."""
    own = [job.not_before for job in waiting if job.not_before is not None]
    return [*own, *(edge for one in cluster.reservations for edge in (one.start, one.end))]
