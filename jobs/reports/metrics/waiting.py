"""Whether anybody waits too long."""

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import Metric

from jobs.reports.metrics.families import gauge, query

HOUR = timedelta(hours=1)
SHORTEST_RUN_SECONDS = 10
"""In a stretch a shorter run counts as this: else a job of a second that waited a minute would be the worst of all."""
STRETCH = """
    SELECT max((extract(epoch FROM started_at - created_at) + run) / run)::float8
    FROM (SELECT created_at, started_at, greatest(extract(epoch FROM finished_at - started_at), %s) AS run
          FROM jobs_job WHERE finished_at > now() - interval '1 day' AND started_at IS NOT NULL) AS ended
"""


# Those that could start, as far as it depends on others; since when: in line, and all that it needs over.
OLDEST = """
    SELECT extract(epoch FROM statement_timestamp() - min(greatest(coalesce(job.in_line_since, job.created_at), needs.ended_at)))::float8
    FROM jobs_job AS job LEFT JOIN (
        SELECT link.job_id, bool_and(needed.state = 'completed') AS done, max(needed.finished_at) AS ended_at
        FROM jobs_jobdependency AS link JOIN jobs_job AS needed ON needed.id = link.needs_id
        WHERE link.job_id IN (SELECT id FROM jobs_job WHERE state = 'pending') GROUP BY 1
    ) AS needs ON needs.job_id = job.id
    WHERE job.state = 'pending' AND job.held_at IS NULL AND coalesce(needs.done, true)
"""


def waits() -> Iterator[Metric]:
    [[longest]] = query(OLDEST, [])
    yield gauge("longest_wait_seconds", "How long the job has waited that waits longest now.", longest or 0)
    [[worst]] = query(STRETCH, [SHORTEST_RUN_SECONDS])
    text = "The largest (wait + run) / run of jobs that ended in the last day; runs count as 10 s at least."
    yield gauge("worst_stretch", text, worst or 0)
