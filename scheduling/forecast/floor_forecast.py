"""By when each waiting job starts at the latest under a floor: the shadow alone, played forward with all at their limits."""

from collections.abc import Collection, Iterable, Mapping
from itertools import groupby

from scheduling.forecast.effort import Effort
from scheduling.forecast.head_of_line import head_of_line
from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import RuntimeAssumption, limits
from scheduling.planning.floor.progress import head_start
from scheduling.planning.floor.shadow import ShadowSchedule
from scheduling.snapshot import Snapshot, WaitingJob


def floor_starts(
    snapshot: Snapshot, now: float, effort: Effort, asked: Collection[int] | None = None
) -> Mapping[int, float]:
    """By when each of the first so many waiting jobs starts at the latest, by the limits of those before it.

    That is its start in the shadow where everybody runs to the limit, later by the slack and, for a job that was stopped,
    by the work that it has saved. Who stands too far back, or cannot start as things are, is not in the answer; nor who is
    not `asked` about.

    It is a promise as plain backfilling makes it, no more: of those that wait now only the first in the shadow's line is
    sure of it. Who is submitted later and goes first there, or fits into room that comes free early, can put the others
    off; so can a lost node, a job that outlives an assumed limit, and for who waits for other jobs the slack on their ends.
    """
    shadow = ShadowSchedule(snapshot, now).play()
    told = head_of_line(shadow.world(), shadow.clock, effort.jobs)
    waiting = {job.id: job for job in snapshot.waiting if asked is None or job.id in asked}
    pace = _to_their_limits(shadow.work_known(), effort.worst_lag)
    course = Rollout(told.world, shadow.clock, pace, told.never)
    course.run(told.head & waiting.keys(), effort.plans, effort.horizon_seconds)
    lags = _lags(course.starts, told.world.waiting, shadow)
    starts = {job_id: start + lags[start] for job_id, start in course.starts.items()}
    starts |= {job_id: one.started_at + shadow.lag for job_id, one in shadow.jobs.items() if one.started_at is not None}
    cost = snapshot.rules.preemption.restart_cost_seconds
    return {
        job_id: max(now, starts[job_id] + head_start(job.saved_seconds, cost)) + effort.worst_lag
        for job_id, job in waiting.items()
        if job_id in starts
    }


def _to_their_limits(known: Mapping[int, float], lag: float) -> RuntimeAssumption:
    """All run to their limits, but those that have ended here already: how long they run there is known."""
    at_limits = limits(lag)
    return RuntimeAssumption(
        run=lambda job, rules: known[job.id] if job.id in known else at_limits.run(job, rules),
        end=lambda job, now, rules: (
            (job.started_at or now) + known[job.id] if job.id in known else at_limits.end(job, now, rules)
        ),
    )


def _lags(starts: Mapping[int, float], waiting: Iterable[WaitingJob], shadow: ShadowSchedule) -> Mapping[float, float]:
    """By how much the shadow is behind the clock at each of these moments: the slack grows with the longest wait so far."""
    came = {job.id: job.waits_since for job in waiting}
    longest, lags = shadow.longest_wait, {}
    for start, ids in groupby(sorted(starts, key=starts.__getitem__), key=starts.__getitem__):
        lags[start] = shadow.slack * longest
        longest = max(longest, *(start - came[job_id] for job_id in ids))
    return lags
