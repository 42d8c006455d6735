"""What ended attempts have saved by checkpoints: kept per attempt, as the next one overwrites when a job's last was.

Only a policy that keeps a floor has to know, so only under one is it written down.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from jobs.models.queries import rows
from jobs.state import transitions
from scheduling.forecast.whatif import spelt
from scheduling.rules import Preemption

LONG_ENOUGH_SECONDS = 3_600.0
"""Who was stopped after this, and left no checkpoint, is believed no longer that it writes any."""
RESTART_COST = Preemption().restart_cost_seconds

# The last attempt of a waiting job is over, and until the next one runs the job's last checkpoint is its own or older.
NOTE = """
    WITH over AS (
        SELECT attempt.id, attempt.job_id, attempt.end_reason, job.checkpointable,
               date_part('epoch', attempt.ended_at - attempt.started_at) AS ran,
               CASE WHEN job.checkpointable AND job.checkpoint_at BETWEEN attempt.started_at AND attempt.ended_at
                    THEN date_part('epoch', job.checkpoint_at - attempt.started_at) ELSE 0 END AS saved
        FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.number = job.attempt
        WHERE job.state = 'pending' AND job.attempt > 0
          AND attempt.ended_at IS NOT NULL AND attempt.saved_seconds IS NULL
    )
    UPDATE jobs_attempt SET saved_seconds = over.saved FROM over WHERE jobs_attempt.id = over.id
    RETURNING over.job_id, over.ran, over.checkpointable AND over.end_reason = 'preempted' AND over.saved = 0
"""
UNFINISHED = """
    SELECT attempt.job_id, attempt.saved_seconds
    FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id
    WHERE job.state IN ('assigned', 'pending', 'queued', 'running') AND job.attempt > 0
      AND (attempt.saved_seconds > 0 OR attempt.saved_seconds = 0 AND attempt.end_reason = 'preempted'
           AND attempt.ended_at - attempt.started_at >= make_interval(secs => %s))
    ORDER BY attempt.job_id, attempt.number
"""
EARLIER = """
    SELECT attempt.job_id, attempt.saved_seconds
    FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.number < job.attempt
    WHERE job.id = ANY(%s) AND attempt.saved_seconds > 0
    ORDER BY attempt.job_id, attempt.number
"""


class SavedWork(NamedTuple):
    """By job, the seconds of work that it goes on from; and those that say they write checkpoints and do not."""

    seconds: dict[int, float]
    saves_nothing: frozenset[int]


NOTHING = SavedWork({}, frozenset())


def note() -> None:
    """Write down what the last attempts of the waiting jobs have saved, before a next one runs; once for each."""
    for job_id, ran, lost in rows(NOTE):
        if lost and ran is not None and ran >= LONG_ENOUGH_SECONDS:
            told = f"It was stopped after {spelt(round(ran))} and had written no checkpoint: from now on it is not started before its turn."
            transitions.note([job_id], "saves_nothing", message=told, data={"ran_seconds": round(ran, 1)})


def of_unfinished() -> SavedWork:
    """Of the jobs that wait or hold a place."""
    found = rows(UNFINISHED, LONG_ENOUGH_SECONDS)
    return SavedWork(_sums(found), frozenset([job_id for job_id, saved in found if not saved]))


def before_the_last_attempt(job_ids: Collection[int]) -> dict[int, float]:
    """Of these jobs, from where their last attempts went on."""
    return _sums(rows(EARLIER, list(job_ids)))


def _sums(saved: Sequence[tuple[int, float]]) -> dict[int, float]:
    """As the core reckons: to go on from saved work takes the restart cost."""
    sums: dict[int, float] = {}
    for job_id, seconds in saved:
        before = sums.get(job_id, 0.0)
        if seconds:
            sums[job_id] = before + max(0.0, seconds - (RESTART_COST if before else 0.0))
    return sums
