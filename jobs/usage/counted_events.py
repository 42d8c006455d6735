"""What is counted of the events of jobs: ends, attempts, retries, and how long jobs waited and ran.

Only what never changes again is read, so that who counts the same events later comes to the same numbers.
"""

from typing import Any

from scheduling.lifecycle import PLACED_STATES, TERMINAL_STATES

SUBMITTED, ENDED, ATTEMPTS, RETRIES = "submitted", "ended", "attempts", "retries"
WAIT, RUN, DURATION, CLAIM, CYCLE = "wait", "run", "duration", "claim", "cycle"
DECISIONS = "decisions"
LONG_BUCKETS = (
    1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0,
)  # fmt: skip
SHORT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BUCKETS: dict[str, tuple[float, ...]] = {
    WAIT: LONG_BUCKETS, RUN: LONG_BUCKETS, DURATION: LONG_BUCKETS, CLAIM: SHORT_BUCKETS, CYCLE: SHORT_BUCKETS,
}  # fmt: skip
"""Upper bounds in seconds. Rows remember them: with other ones, what was counted before stays in the old ones."""

NEW = """
    event.id > (SELECT counted_until FROM jobs_jobcountprogress)
    AND event.id < (SELECT counted_until FROM jobs_jobcountprogress) + 1000000000
"""
"""What nobody has counted. The upper bound takes nothing away: with it the planner expects few rows, and takes the index."""
SPAN = "event.id > %(after)s AND event.id <= %(until)s"
OF_JOBS = f"event.job_id = ANY(%(jobs)s) AND {NEW}"

# A job's wait begins with the last event that put it in line, later where it has to wait for its next try or for others:
# that is no fault of the platform's. What it needs is known by events as well, as a row's end goes when it is requeued.
_WAITS = """
    SELECT 'wait', fresh.hardware, greatest(0, extract(epoch FROM
        coalesce(fresh.started_at, fresh.at) - greatest(line.since, needs.ended_at, line.begin_at)))
    FROM fresh,
    LATERAL (
        SELECT max(before.at + make_interval(secs => coalesce((before.data ->> 'delay_seconds')::float8, 0)))
                   FILTER (WHERE before.to_state = 'pending' OR before.kind = 'released') AS since,
               (array_agg((coalesce(before.data -> 'to', before.data) ->> 'begin_at')::timestamptz ORDER BY before.id DESC) FILTER (
                   WHERE before.kind = 'submitted' AND before.data ? 'begin_at'
                      OR before.kind = 'changed' AND before.data -> 'to' ? 'begin_at'
               ))[1] AS begin_at
        FROM jobs_jobevent AS before WHERE before.job_id = fresh.job_id AND before.id < fresh.id
    ) AS line,
    LATERAL (
        SELECT max(over.at) AS ended_at FROM jobs_jobdependency AS link JOIN jobs_jobevent AS over ON over.job_id = link.needs_id
        WHERE link.job_id = fresh.job_id AND over.id < fresh.id AND over.to_state = ANY(%(terminal)s)
    ) AS needs
    WHERE fresh.to_state = 'running'
"""
_SAID = f"""
    SELECT 'submitted' AS series, '' AS label, NULL::float8 AS seconds FROM fresh WHERE kind = 'submitted'
    UNION ALL SELECT 'ended', to_state, NULL FROM fresh WHERE to_state = ANY(%(terminal)s)
    UNION ALL SELECT 'duration', hardware, extract(epoch FROM at - created_at) FROM fresh WHERE to_state = ANY(%(terminal)s)
    UNION ALL SELECT 'attempts', end_reason, NULL FROM fresh WHERE end_reason IS NOT NULL AND from_state = ANY(%(placed)s)
    UNION ALL SELECT 'retries', paid_by, NULL FROM fresh WHERE paid_by IS NOT NULL AND to_state = 'pending'
    UNION ALL SELECT 'run', hardware, extract(epoch FROM ended_at - started_at) FROM fresh
    WHERE end_reason IS NOT NULL AND from_state = ANY(%(placed)s) AND ended_at >= started_at
    UNION ALL SELECT 'claim', '', greatest(0, extract(epoch FROM placement.claimed_at - placement.published_at))
    FROM fresh, LATERAL (
        SELECT claimed_at, published_at FROM jobs_placement WHERE attempt_id = fresh.attempt_id OFFSET 0
    ) AS placement
    WHERE fresh.to_state = 'assigned' AND placement.claimed_at IS NOT NULL
    UNION ALL {_WAITS}
"""  # noqa: S608  made of constants


def _bound_of(name: str) -> str:
    """The least bound that is not below the seconds: of those that are not, of which PostgreSQL tells the number, the last."""
    return f"(%({name})s::float8[])[width_bucket(-said.seconds, %({name}_negated)s::float8[])]"


def counts_of(which: str) -> str:
    """A statement: series, label, bucket, how often and how many seconds, of `which` events: `NEW`, `SPAN`, `OF_JOBS`."""
    # Nothing is counted of jobs that are placed. By limits and offsets, so that each event's job and attempt are looked up: they are few, and the tables are not read whole.
    return f"""
        WITH fresh AS MATERIALIZED (
            SELECT event.id, event.job_id, event.kind, event.from_state, event.to_state, event.at,
                   event.data ->> 'end_reason' AS end_reason, event.data ->> 'paid_by' AS paid_by,
                   job.created_at, job.hardware, attempt.id AS attempt_id, attempt.started_at, attempt.ended_at
            FROM (SELECT * FROM jobs_jobevent AS event WHERE event.to_state NOT IN ('', 'queued') AND {which} OFFSET 0) AS event,
            LATERAL (
                SELECT created_at, CASE WHEN gpus > 0 THEN 'gpu' ELSE 'cpu' END AS hardware
                FROM jobs_job WHERE id = event.job_id LIMIT 1
            ) AS job LEFT JOIN LATERAL (
                SELECT id, started_at, ended_at FROM jobs_attempt
                WHERE job_id = event.job_id AND number = event.attempt LIMIT 1
            ) AS attempt ON true
        )
        SELECT said.series, said.label, coalesce(CASE said.series WHEN 'claim' THEN {_bound_of("short")} ELSE {_bound_of("long")} END, 'Infinity') AS at_most,
               count(*) AS count, coalesce(sum(said.seconds), 0) AS seconds
        FROM ({_SAID}) AS said
        GROUP BY 1, 2, 3
    """  # noqa: S608  likewise


def arguments(**more: Any) -> dict[str, Any]:
    """For what `counts_of` answers."""
    states = {"terminal": sorted(TERMINAL_STATES), "placed": sorted(PLACED_STATES)}
    falling = {"short": sorted(SHORT_BUCKETS, reverse=True), "long": sorted(LONG_BUCKETS, reverse=True)}
    negated = {f"{name}_negated": [-bound for bound in bounds] for name, bounds in falling.items()}
    return {**states, **falling, **negated, **more}
