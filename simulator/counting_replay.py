"""Replays a trace on a pool by counting processors, and says when that gives what the planner would."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scheduling.nodes.profile import FOREVER
from scheduling.planning.ordering import bound_of
from scheduling.policies import backfill_mode, policy
from scheduling.rules import Backfill, Rules
from scheduling.run_times import expected_within
from scheduling.snapshot import Snapshot, WaitingJob
from simulator.asked import limit_of
from simulator.cleaning import CleanJob
from simulator.cluster import Cluster
from simulator.counting.overdue import BoundedOverdue, LearnedOverdue, Overdue
from simulator.counting.pool_job import PoolJob
from simulator.counting.pool_scheduler import PoolScheduler
from simulator.event_loop import EventLoop
from simulator.outcome import JobOutcome, Run
from simulator.settings import RunTimes, Settings
from simulator.timeless_orders import ORDERS, Order, is_timeless


def is_exact(cluster: Cluster, rules: Rules) -> bool:
    """Whether counting starts every job when the planner would: one pool, a timeless order, one reservation, nobody stopped."""
    if rules.usual_bounded_wait_seconds is not None:
        return False
    return cluster.pooled and is_timeless(rules) and _reserves_once(rules) and not rules.preemption.strategies


def _reserves_once(rules: Rules) -> bool:
    mode = backfill_mode(rules)
    alone = rules.reserve_depth == 1 and rules.overdue_depth <= 1
    return mode is Backfill.NONE or (mode is not Backfill.CONSERVATIVE and alone)


@dataclass(slots=True)
class _Progress:
    """How far a job has come."""

    job: CleanJob
    in_pool: PoolJob
    predicted: float | None  # at its submission
    start: float = 0.0
    vacated: bool = False


class CountingReplay(EventLoop):
    """One replay, for settings under which `is_exact`."""

    def __init__(
        self, jobs: Sequence[CleanJob], cluster: Cluster, settings: Settings, *, source: str = "the trace"
    ) -> None:
        """Raises TraceError if a job could never start on this cluster."""
        super().__init__(jobs, settings)
        [node] = cluster.nodes
        rules = settings.rules
        self._nodes = (node.name,)
        self._order = ORDERS[rules.policy]
        self._bounds = _bounds(jobs, cluster, rules, source)
        self._scheduler = PoolScheduler(node.cpus, backfill_mode(rules), overdue=_overdue(rules, node.cpus))
        self._learns = settings.run_times is RunTimes.LEARNED
        self._progress: dict[int, _Progress] = {}  # of those that wait or run
        self._waiting_of: dict[str, dict[int, _Progress]] = {}  # by user, where run times are learned

    def _arrive(self, job: CleanJob) -> None:
        predicted = self._learner.predict(job)
        in_pool = pool_job(job, self._settings, self._order, predicted, self._bounds[job.trace.width])
        progress = self._progress[job.number] = _Progress(job, in_pool, predicted)
        self._scheduler.arrive(progress.in_pool)
        if self._learns:
            self._waiting_of.setdefault(job.trace.user, {})[job.number] = progress

    def _plan(self) -> None:
        if not self._scheduler:
            return
        self.outcome.plans += 1
        now = self._clock.now
        for one in self._scheduler.plan(now):
            progress = self._progress[one.number]
            progress.start = now
            self._clock.run_until(now + progress.job.run_s, one.number)
            if self._learns:
                del self._waiting_of[progress.job.trace.user][one.number]

    def _vacate_if_due(self, number: int) -> None:
        progress = self._progress[number]
        if not progress.in_pool.assumed and progress.start + progress.in_pool.limit <= self._clock.now:
            progress.vacated = True
            self._scheduler.end(number)

    def _end(self, number: int) -> None:
        progress = self._progress.pop(number)
        if not progress.vacated:
            self._scheduler.end(number)
        job, width, start, now = progress.job, progress.in_pool.width, progress.start, self._clock.now
        self.outcome.runs.append(Run(number, start, now, width, self._nodes))
        self.outcome.jobs.append(JobOutcome(job, width, start, now, predicted_s=progress.predicted))
        self._learner.learn(job)
        if self._learns:
            self._reorder(self._waiting_of[job.trace.user].values())

    def _reorder(self, waiting: Iterable[_Progress]) -> None:
        """What is expected of a user's jobs that wait changes with each that ends, and so may their places in line."""
        for progress in waiting:
            job, before = progress.job, progress.in_pool
            expected = expected_within(before.limit, self._learner.predict(job))
            if expected != before.expected:
                place = self._order(job, expected, before.limit)
                progress.in_pool = before._replace(place=place, expected=expected)
                self._scheduler.reorder(progress.in_pool)


def pool_job(
    job: CleanJob, settings: Settings, order: Order, predicted: float | None, bound: float = FOREVER
) -> PoolJob:
    """The job as it stands in line in that order, by what is expected of it."""
    own_limit, trace = limit_of(job, settings.run_times), job.trace
    limit = float(own_limit or settings.rules.assumed_limit_seconds)
    expected = expected_within(limit, predicted)
    place = order(job, expected, limit)
    return PoolJob(job.number, trace.width, limit, trace.submit_s, place, expected, bound, not own_limit)


def _overdue(rules: Rules, processors: int) -> Overdue:
    learns = policy(rules.policy).learns_bound and rules.bounded_wait_seconds is None
    return LearnedOverdue(rules.overdue_ahead, processors) if learns else BoundedOverdue(rules.overdue_ahead)


def _bounds(jobs: Sequence[CleanJob], cluster: Cluster, rules: Rules, source: str) -> Mapping[int, float]:
    """After how long a wait jobs of each width go ahead of the others."""
    bound = bound_of(policy(rules.policy).prepare(Snapshot(nodes=cluster.nodes, rules=rules), 0.0), rules)
    one_of = {job.trace.width: job for job in reversed(jobs)}
    requests = cluster.requests(sorted(one_of.values(), key=lambda job: job.number), source)
    if isinstance(bound, float):
        return dict.fromkeys(one_of, bound)
    return {width: bound(WaitingJob(job.number, "", "", 0, 0.0, requests[job.number])) for width, job in one_of.items()}
