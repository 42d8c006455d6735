"""What ended attempts have saved by checkpoints: kept per attempt, as the next one overwrites when a job's last was.

Only a policy that keeps a floor has to know, so only under one is it written down.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from jobs.models.queries import rows
from jobs.state import transitions
from scheduling.reasons import spelt
from scheduling.rules import Preemption

LONG_ENOUGH_SECONDS = 3_600.0
"""Who was stopped after this, and left no checkpoint, is believed no longer that it writes any."""
LEAST_PROGRESS, HALF = 0.05, 0.5
"""With so little progress kept nothing is concluded; nor from more than this part of it, as progress need not be even."""
RESTART_COST = Preemption().restart_cost_seconds

# The last attempt of a waiting job is over, and until the next one runs the job's last checkpoint is its own or older.
NOTE = """
    WITH over AS (
        SELECT attempt.id, attempt.job_id, attempt.end_reason, job.checkpointable,
               date_part('epoch', attempt.ended_at - attempt.started_at) AS ran,
               job.progress,
               CASE WHEN job.checkpointable AND job.checkpoint_at BETWEEN attempt.started_at AND attempt.ended_at
                    THEN date_part('epoch', job.checkpoint_at - attempt.started_at) ELSE 0 END AS saved
        FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.number = job.attempt
        WHERE job.state = 'pending' AND job.attempt > 0
          AND attempt.ended_at IS NOT NULL AND attempt.saved_seconds IS NULL
    )
    UPDATE jobs_attempt SET saved_seconds = over.saved, progress = over.progress
    FROM over WHERE jobs_attempt.id = over.id
    RETURNING over.job_id, over.ran, over.checkpointable AND over.end_reason = 'preempted' AND over.saved = 0
"""
# The progress that it had at its last checkpoint is not known: at least this part of what it had in the end.
FROM_NOTHING = """
    WITH again AS (
        SELECT current.id, job.id AS job_id, job.progress AS says, before.progress AS said,
               before.progress * before.saved_seconds / date_part('epoch', before.ended_at - before.started_at) AS kept
        FROM jobs_job AS job
        JOIN jobs_attempt AS current ON current.job_id = job.id AND current.number = job.attempt
        CROSS JOIN LATERAL (
            SELECT * FROM jobs_attempt AS earlier
            WHERE earlier.job_id = job.id AND earlier.number < job.attempt
              AND earlier.saved_seconds > 0 AND earlier.progress > 0 AND earlier.ended_at > earlier.started_at
            ORDER BY earlier.number DESC LIMIT 1
        ) AS before
        WHERE job.state IN ('assigned', 'pending', 'running') AND job.checkpointable AND job.attempt > 1
          AND job.progress IS NOT NULL AND current.resumed IS NULL
    )
    UPDATE jobs_attempt SET resumed = false FROM again
    WHERE jobs_attempt.id = again.id AND again.kept >= %s AND again.says < again.kept * %s
    RETURNING again.job_id, again.said, again.says
"""
UNFINISHED = """
    SELECT attempt.job_id, coalesce(attempt.saved_seconds, 0), attempt.resumed IS FALSE
    FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id
    WHERE job.state IN ('assigned', 'pending', 'queued', 'running') AND job.attempt > 0
      AND (attempt.saved_seconds > 0 OR attempt.resumed IS FALSE OR attempt.saved_seconds = 0 AND attempt.end_reason = 'preempted'
           AND attempt.ended_at - attempt.started_at >= make_interval(secs => %s))
    ORDER BY attempt.job_id, attempt.number
"""
EARLIER = """
    SELECT attempt.job_id, attempt.saved_seconds
    FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.number < job.attempt
    WHERE job.id = ANY(%s) AND attempt.saved_seconds > 0
      AND NOT EXISTS (SELECT FROM jobs_attempt AS one WHERE one.job_id = job.id AND one.resumed IS FALSE)
    ORDER BY attempt.job_id, attempt.number
"""


class SavedWork(NamedTuple):
    """By job, the seconds of work that it goes on from; and those that say they write checkpoints and do not."""

    seconds: dict[int, float]
    saves_nothing: frozenset[int]


NOTHING = SavedWork({}, frozenset())


def note() -> None:
    """Write down what the last attempts of the waiting jobs have saved, before a next one runs; once for each.

    And who goes on from nothing though it had saved work: the progress that it tells is less than half of what it had kept.
    """
    for job_id, said, says in rows(FROM_NOTHING, LEAST_PROGRESS, HALF):
        told = (
            f"It says that {says:.0%} are done, after it had said {said:.0%} and was stopped: what it saves, it does not "
            "load. From now on it is not started before its turn."
        )
        transitions.note([job_id], "saves_nothing", message=told, data={"progress_before": said, "progress": says})
    for job_id, ran, lost in rows(NOTE):
        if lost and ran is not None and ran >= LONG_ENOUGH_SECONDS:
            told = f"It was stopped after {spelt(round(ran))} and had written no checkpoint: from now on it is not started before its turn."
            transitions.note([job_id], "saves_nothing", message=told, data={"ran_seconds": round(ran, 1)})


def of_unfinished() -> SavedWork:
    """Of the jobs that wait or hold a place. Of one that goes on from nothing nothing is saved, whatever it has written."""
    found = rows(UNFINISHED, LONG_ENOUGH_SECONDS)
    from_nothing = {job_id for job_id, _, anew in found if anew}
    never = {job_id for job_id, seconds, _ in found if not seconds}
    kept = _sums([(job_id, seconds) for job_id, seconds, _ in found if job_id not in from_nothing])
    return SavedWork(kept, frozenset(from_nothing | never))


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
