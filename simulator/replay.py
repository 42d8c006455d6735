"""Runs a trace through the planner: jobs arrive, start where the plan says, and end after the run times of the trace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scheduling.longest_wait import LongestWait
from scheduling.nodes.profile import FOREVER
from scheduling.plan_result import PlannedPreemption
from scheduling.planning.plan import Plan, PlannedJob, make_plan
from scheduling.planning.stops import borrowers
from scheduling.policies import policy
from scheduling.resources import Request
from scheduling.sharing.cohorts import Cohorts
from scheduling.snapshot import EndedJob, ProjectView, QueueView, RunningJob, Shadow, Snapshot, WaitingJob
from scheduling.stages import started
from simulator.asked import limit_of, priority_of, saves_its_work
from simulator.cleaning import CleanJob
from simulator.cluster import Cluster
from simulator.event_loop import EventLoop, Progress
from simulator.outcome import JobOutcome, Outcome, Run
from simulator.settings import RunTimes, Settings
from simulator.sharing.projects import Projects
from simulator.trace import SimulationError
from simulator.usage import Usage

QUEUE = "default"
HOUR = 3_600.0

Planner = Callable[[Snapshot, float], Plan]


@dataclass(slots=True)
class _Progress:
    """How far a job has come."""

    job: CleanJob
    waiting: WaitingJob
    first_start: float | None = None
    saved_s: float = 0.0  # work that no stop can take any more
    lost_s: float = 0.0
    stopped_at: float | None = None  # it was told to stop then, and is still there


class Replay(EventLoop):
    """One replay. Between two plans only what has changed is touched: plans of long traces come by the hundred thousand."""

    def __init__(
        self,
        jobs: Sequence[CleanJob],
        cluster: Cluster,
        settings: Settings | None = None,
        *,
        source: str = "the trace",
        planner: Planner = make_plan,
        projects: Projects | None = None,
    ) -> None:
        """Raises TraceError if a job could never start on this cluster."""
        super().__init__(jobs, settings or Settings())
        self._cluster = cluster
        self._requests: dict[int, Request] = cluster.requests(jobs, source)
        self._planner = planner
        self._progress: dict[int, _Progress] = {}
        self._waiting: dict[int, WaitingJob] = {}
        self._running: dict[int, RunningJob] = {}
        self._vacated: dict[int, RunningJob] = {}
        self._usage = Usage(self._settings.rules)
        self._known_projects = projects
        self._projects = projects.views if projects else self._groups(jobs)
        self._stops_jobs |= Cohorts.of(self._projects) is not None
        self._taken_back: dict[int, float] = {}  # since when, for the job that waits for it
        self._stops: list[float] = []
        self._keeps_floor = policy(self._settings.rules.policy).keeps_floor
        self._shadow: Shadow | None = None
        self._longest_wait = LongestWait()
        self._ended: list[EndedJob] = []

    def run(self, told: Progress | None = None) -> Outcome:
        """Replay everything. Raises SimulationError if jobs wait at the end that nothing will ever start."""
        super().run(told)
        if self._waiting:
            first = next(iter(self._waiting.values()))
            said = " ".join(sorted(self.outcome.alerts))
            raise SimulationError(
                f"{len(self._waiting)} jobs wait on an empty cluster and nothing starts them, first job "
                f"{self._progress[first.id].job.trace.id}. {said}".strip()
            )
        return self.outcome

    def _arrive(self, job: CleanJob) -> None:
        settings = self._settings
        waiting = WaitingJob(
            id=job.number,
            project=self._project(job),
            queue=QUEUE,
            priority=priority_of(job),
            submitted_at=job.trace.submit_s,
            request=self._requests[job.number],
            owner=job.trace.user,
            max_runtime_seconds=limit_of(job, settings.run_times),
            predicted_seconds=self._learner.predict(job),
            deadline=job.trace.deadline_s,
            checkpointable=saves_its_work(job, settings),
        )
        self._waiting[job.number] = waiting
        self._progress[job.number] = _Progress(job, waiting)

    def _vacate_if_due(self, number: int) -> None:
        end = self._running[number].expected_end
        if end is not None and end <= self._clock.now:
            self._vacated[number] = self._running.pop(number)

    def _plan(self) -> None:
        """Plan, start what may start; and again, at the same instant, if somebody was stopped for somebody else."""
        while self._waiting or self._keeps_floor:
            plan = self._planner(self._snapshot(), self._clock.now)
            self.outcome.plans += 1
            self.outcome.alerts.update(plan.alerts)
            self._shadow, self._ended, self._longest_wait = plan.shadow, [], plan.longest_wait
            self._clock.wake_at(FOREVER if plan.next_at is None else plan.next_at)
            for placed in plan.placements:
                self._start(placed)
            for stopped in plan.preemptions:
                self._stop(stopped)
            if not plan.preemptions:
                return

    def _snapshot(self) -> Snapshot:
        now, rules = self._clock.now, self._settings.rules
        return Snapshot(
            waiting=tuple(self._waiting.values()),
            running=tuple(self._checkpointed() if self._stops_jobs else self._running.values()),
            nodes=self._cluster.nodes,
            queues=(QueueView(QUEUE),),
            projects=self._projects,
            taken_at=now,
            rules=rules,
            usage=self._usage.at(now, self._running.values()),
            recent_preemptions=self._recent_stops(),
            ended=tuple(self._ended),
            shadow=self._shadow,
            longest_wait=self._longest_wait,
        )

    def _start(self, placed: PlannedJob) -> None:
        now, job = self._clock.now, self._waiting.pop(placed.job_id)
        progress = self._progress[job.id]
        if progress.first_start is None:
            progress.first_start = now
        if job.id in self._taken_back:
            self.outcome.quota_waits.append(now - self._taken_back.pop(job.id))
        self._running[job.id] = started(job, placed.shares, now)
        self._clock.run_until(now + self._overhead(progress) + progress.job.run_s - progress.saved_s, job.id)

    def _overhead(self, progress: _Progress) -> float:
        """What its present run takes before it gets on."""
        return self._settings.restart_s if progress.saved_s else 0.0

    def _learn(self, ended: CleanJob) -> None:
        """What is expected of the user's jobs that wait changes with each that ends."""
        self._learner.learn(ended)
        if self._settings.run_times is RunTimes.LEARNED:
            for number, job in self._waiting.items():
                if job.owner == ended.trace.user:
                    predicted = self._learner.predict(self._progress[number].job)
                    self._waiting[number] = replace(job, predicted_seconds=predicted)

    def _end(self, number: int) -> None:
        if self._progress[number].stopped_at is not None:
            self._give_up(number, self._running.pop(number))
            return
        progress = self._progress.pop(number)
        running = self._vacated.pop(number, None) or self._running.pop(number)
        self._leave(number, running, self._overhead(progress))
        self._learn(progress.job)
        if self._keeps_floor:
            self._ended.append(EndedJob(progress.waiting, progress.job.run_s))
        self.outcome.jobs.append(
            JobOutcome(
                job=progress.job,
                width=self._width(number),
                start=self._clock.now if progress.first_start is None else progress.first_start,
                end=self._clock.now,
                preemptions=running.preemptions,
                lost_s=progress.lost_s,
                predicted_s=progress.waiting.predicted_seconds,
            )
        )

    def _stop(self, told: PlannedPreemption) -> None:
        """The job is told to stop for another one, which gets its room."""
        for_job, held = told.for_job, self._running[told.job_id].shares
        if told.strategy == borrowers.STRATEGY:
            self._taken_back.setdefault(for_job, self._clock.now)
        self._tell_to_stop(told.job_id, for_job)
        if for_job in self._waiting:
            winner = self._waiting[for_job]
            # Where somebody has to have quota back in time, the room goes with it, as on the platform.
            room = (*winner.room, *held) if self._known_projects else ()
            self._waiting[for_job] = replace(winner, promised=True, room=room)

    def _tell_to_stop(self, number: int, for_job: int | None = None) -> None:
        """It is gone at once, or after its grace, in which it gets no further."""
        now = self._clock.now
        self._progress[number].stopped_at = now
        self._stops.append(now)
        self._clock.stop(number)
        if self._settings.grace_s:
            self._running[number] = replace(self._running[number], leaving=True, leaving_for=for_job)
            self._clock.run_until(now + self._settings.grace_s, number)
        else:
            self._give_up(number, self._running.pop(number))

    def _give_up(self, number: int, running: RunningJob) -> None:
        """Back in line with what is left to do: the work since the last checkpoint is lost."""
        progress = self._progress[number]
        done = self._done(progress, running, progress.stopped_at or 0.0)
        before, progress.saved_s = progress.saved_s, max(progress.saved_s, self._saved(progress, done))
        held = self._clock.now - (running.started_at or 0.0)
        self._leave(number, running, held - (progress.saved_s - before))
        progress.lost_s += done - progress.saved_s
        progress.stopped_at = None
        self._waiting[number] = replace(
            progress.waiting, preemptions=running.preemptions + 1, saved_seconds=progress.saved_s
        )

    def _done(self, progress: _Progress, running: RunningJob, until: float) -> float:
        """Its work, all runs together."""
        ran = until - (running.started_at or 0.0) - self._overhead(progress)
        return progress.saved_s + max(0.0, ran)

    def _leave(self, number: int, running: RunningJob, lost_s: float) -> None:
        start = running.started_at or 0.0
        nodes = tuple(share.node for share in running.shares)
        self.outcome.runs.append(Run(number, start, self._clock.now, self._width(number), nodes, lost_s))
        self._usage.charge(running, self._clock.now)

    def _width(self, number: int) -> float:
        return self._cluster.width(self._requests[number])

    def _saved(self, progress: _Progress, done: float) -> float:
        every = self._settings.checkpoint_s
        return done // every * every if every and progress.waiting.checkpointable else 0.0

    def _checkpointed(self) -> list[RunningJob]:
        """The running jobs, with the moment of each one's last checkpoint."""
        if not self._settings.checkpoint_s:
            return list(self._running.values())
        return [replace(job, checkpoint_at=self._checkpoint_at(job)) for job in self._running.values()]

    def _checkpoint_at(self, job: RunningJob) -> float | None:
        progress = self._progress[job.id]
        later = self._saved(progress, self._done(progress, job, self._clock.now)) - progress.saved_s
        return (job.started_at or 0.0) + self._overhead(progress) + later if later > 0 else None

    def _recent_stops(self) -> int:
        while self._stops and self._stops[0] <= self._clock.now - HOUR:
            self._stops.pop(0)
        return len(self._stops)

    def _groups(self, jobs: Sequence[CleanJob]) -> tuple[ProjectView, ...]:
        return tuple(ProjectView(name) for name in sorted({self._project(job) for job in jobs}))

    def _project(self, job: CleanJob) -> str:
        """That of the file; else its group; but one for all where projects make no difference, so that jobs are alike that ask for the same."""
        if self._known_projects:
            return self._known_projects.of(job.trace)
        return (self._usage.is_needed and job.trace.group) or "default"
