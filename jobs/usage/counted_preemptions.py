"""What is counted of preemptions: attempts that were told to give way, those that did, and the work of these that is done again.

Rows tell it, and not events: each is counted once, when its attempt is over and nothing of it changes any more, or when its
job is deleted. Those that are not counted yet are few, and are added up with each question.
"""

PREEMPTIONS, PREEMPTED = "preemptions", "preempted"
OF_JOBS = "attempt.job_id = ANY(%(jobs)s)"


def _series(of: str) -> str:
    return f"""
        SELECT 'preemptions' AS series, strategy AS label, 'Infinity'::float8 AS at_most, count(*) AS count, 0::float8 AS seconds
        FROM {of} GROUP BY strategy
        UNION ALL SELECT 'preempted', strategy, 'Infinity', count(*), sum(lost_seconds)
        FROM {of} WHERE end_reason = 'preempted' GROUP BY strategy
    """  # noqa: S608  made of constants


_UNCOUNTED = """
    SELECT preemption.id, preemption.strategy, preemption.lost_seconds, attempt.end_reason
    FROM jobs_preemption AS preemption JOIN jobs_attempt AS attempt ON attempt.id = preemption.attempt_id
    WHERE NOT preemption.counted
"""
NEW = f"(WITH fresh AS MATERIALIZED ({_UNCOUNTED}) {_series('fresh')})"
"""A query: series, label, bucket, how often and how many seconds, of all that nobody has counted."""


def _newly_counted(which: str) -> str:
    return f"""
        WITH fresh AS MATERIALIZED ({_UNCOUNTED} AND {which}), counted AS (
            UPDATE jobs_preemption SET counted = true FROM fresh WHERE jobs_preemption.id = fresh.id
            RETURNING fresh.strategy, fresh.lost_seconds, fresh.end_reason
        )
        {_series("counted")}
    """  # noqa: S608  likewise


# Whoever deletes jobs locks rows of others, for whom theirs gave way: those are left to the next fold.
COUNT_OVER = _newly_counted("attempt.ended_at IS NOT NULL LIMIT %(limit)s FOR UPDATE OF preemption SKIP LOCKED")
"""The same of those whose attempts are over, `limit` at most; from then on they are counted."""
COUNT_OF_JOBS = _newly_counted(f"{OF_JOBS} FOR UPDATE OF preemption")
"""The same of these jobs."""
