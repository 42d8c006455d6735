"""Until when a reason holds, and whose end would clear it. Dearer than a plan, so only asked for one job at a time."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from scheduling.forecast.forecast import Forecast
from scheduling.forecast.runtime_assumptions import expected_end
from scheduling.lifecycle import JobState
from scheduling.planning.cluster import cells_of
from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode
from scheduling.resources import ZERO
from scheduling.run_times import expected_seconds
from scheduling.sharing.ahead.meter import NAME
from scheduling.sharing.ahead.room import NEVER, AheadRoom
from scheduling.sharing.associations import Associations
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.holders import Holder, with_holders
from scheduling.sharing.ledger import Cells, Ledger
from scheduling.sharing.model_quotas import ModelQuotas
from scheduling.sharing.quota_refusals import quota_refusals
from scheduling.sharing.quotas import enforced
from scheduling.snapshot import ProjectView, RunningJob, Snapshot, WaitingJob, chain_of

FOR_ROOM = frozenset(
    {ReasonCode.RESOURCES, ReasonCode.AHEAD, ReasonCode.RESERVED, ReasonCode.ELSEWHERE, ReasonCode.NODE_LEAVES}
)


@dataclass(frozen=True, slots=True)
class BlockerContext:
    """Who runs, in the order in which they are expected to end, and when those that wait are expected to start.

    Who starts in the plan that is asked about counts as running: `rollout.carried_out` makes such a snapshot.
    """

    snapshot: Snapshot
    now: float
    starts: Mapping[int, Forecast]
    ends: Mapping[int, float]
    running: Sequence[RunningJob]
    projects: Mapping[str, ProjectView]
    cells: Cells
    associations: Associations
    models: ModelQuotas
    cohorts: Cohorts | None = None

    @classmethod
    def of(cls, snapshot: Snapshot, now: float, starts: Mapping[int, Forecast]) -> "BlockerContext":
        ends = {job.id: expected_end(job, now, snapshot.rules) for job in snapshot.running}
        running = sorted(snapshot.running, key=lambda job: (ends[job.id], job.id))
        projects = {one.slug: one for one in snapshot.projects}
        cohorts = Cohorts.of(snapshot.projects)
        by_user, by_model = Associations.of_snapshot(snapshot), ModelQuotas(projects, snapshot.nodes)
        cells = cells_of(snapshot, cohorts)
        return cls(snapshot, now, starts, ends, running, projects, cells, by_user, by_model, cohorts)


def with_expected_clear(job: WaitingJob, reasons: Iterable[Reason], scene: BlockerContext) -> tuple[Reason, ...]:
    """The reasons with the time when each is expected to clear, and with holders where it named none.

    A time is told for each reason by itself: the job starts when the last one is gone, not when the first is.
    """
    return tuple(_cleared(job, reason, scene) for reason in reasons)


def _cleared(job: WaitingJob, reason: Reason, scene: BlockerContext) -> Reason:
    if reason.code in FOR_ROOM:
        start = scene.starts.get(job.id)
        return replace(reason, expected_clear=start.expected if start else None)
    rule = RULES.get(reason.code)
    return rule(job, reason, scene) if rule else reason


def _not_before(job: WaitingJob, reason: Reason, _: BlockerContext) -> Reason:
    return replace(reason, expected_clear=job.not_before)


def _dependency(job: WaitingJob, reason: Reason, scene: BlockerContext) -> Reason:
    """When the last of them ends; not known as soon as one of them is not."""
    waiting = {one.id: one for one in scene.snapshot.waiting if one.id in job.unmet}
    leaving = {one.id: one.leaves_to for one in scene.running if one.leaving and one.id in job.unmet}
    ended = {one for one, then in leaving.items() if then == JobState.CANCELLED and one in job.needs_end}
    in_time = [one for one in job.unmet if one not in leaving or one in ended]
    ends = [_end_of(needed, waiting.get(needed), scene) for needed in in_time]
    known = [end for end in ends if end is not None]
    return replace(reason, expected_clear=max(known) if known and len(known) == len(job.unmet) else None)


def _end_of(job_id: int, waiting: WaitingJob | None, scene: BlockerContext) -> float | None:
    start = scene.starts.get(job_id)
    if waiting is None or start is None or start.expected is None:
        return scene.ends.get(job_id)
    return start.expected + expected_seconds(waiting, scene.snapshot.rules)


def _queue_limit(job: WaitingJob, reason: Reason, scene: BlockerContext) -> Reason:
    """When enough of the queue's jobs have ended."""
    if reason.subject != job.queue:
        return _quota(job, reason, scene)
    own = [one for one in scene.running if one.queue == job.queue]
    told = replace(reason, held_by=tuple(one.id for one in own[:HOLDERS_SHOWN]))
    return _after(own, reason.shortfall.get("running_jobs", 1), told, scene)


def _after(line: Sequence[RunningJob], number: int, reason: Reason, scene: BlockerContext) -> Reason:
    first = line[:number]
    return replace(reason, expected_clear=scene.ends[first[-1].id] if len(first) == number else None)


def _quota(job: WaitingJob, reason: Reason, scene: BlockerContext) -> Reason:
    """When enough jobs of the project whose quota it is, and of those below it, have ended: those that end first come first."""
    if NAME in reason.shortfall:
        return _ahead(job, reason, scene)
    below = [one for one in scene.running if _counts_in(reason.subject, one, scene)]
    below = [one for one in below if Holder.of(one).has(reason.shortfall)]
    told = with_holders(reason, [Holder.of(one) for one in below])
    chain = [one for one in chain_of(job.project, scene.projects) if enforced(one)]
    models = (one for one in scene.models.over(job.project) if one.slug == reason.subject)
    parts = (*scene.associations.of(job), *models)

    def is_enough(number: int) -> bool:
        left = below[number:]
        usage = Ledger.of(scene.cells, left, scene.associations.usage(left) | scene.models.usage(left))
        refused = quota_refusals(
            job.request,
            chain=chain,
            parts=parts,
            usage=usage,
            cohorts=scene.cohorts,
            firm=scene.cohorts is not None and not job.preemptible,
        )
        return all(one.subject != reason.subject for one in refused)

    if not is_enough(len(below)):
        return told
    return _after(below, bisect_left(range(len(below)), True, key=is_enough), told, scene)


def _ahead(job: WaitingJob, reason: Reason, scene: BlockerContext) -> Reason:
    """When what runs has used up enough of its time; sooner if jobs end before their limits."""
    room = AheadRoom(scene.snapshot, scene.now)
    start = room.earliest(job, job.max_runtime_seconds or NEVER, scene.now)
    return replace(reason, expected_clear=start if start < NEVER else None)


def _budget(_: WaitingJob, reason: Reason, __: BlockerContext) -> Reason:
    """When its next period begins; a budget that is there once has none."""
    following = reason.budget.get("next_period")
    return replace(reason, expected_clear=datetime.fromisoformat(str(following)).timestamp() if following else None)


def _counts_in(slug: str, job: RunningJob, scene: BlockerContext) -> bool:
    levels = (*chain_of(job.project, scene.projects), *scene.associations.of(job))
    models = (one for one in scene.models.over(job.project) if one.held(job.shares, ZERO).gpus)
    return any(one.slug == slug for one in (*levels, *models))


RULES: Mapping[ReasonCode, Callable[[WaitingJob, Reason, BlockerContext], Reason]] = {
    ReasonCode.NOT_BEFORE: _not_before,
    ReasonCode.DEPENDENCY: _dependency,
    ReasonCode.QUEUE_LIMIT: _queue_limit,
    ReasonCode.QUOTA: _quota,
    ReasonCode.WORKLOAD_LIMIT: _quota,
    ReasonCode.BUDGET: _budget,
}
