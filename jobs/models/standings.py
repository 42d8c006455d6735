"""How a dependency stands, for statements over many: as `scheduling.planning.dependencies.Link.standing` says of one.

Statements call the dependency's row `link` and the needed job's `needed`.
"""

from typing import Any

from django.db import connection

from scheduling.planning.dependencies import Standing

STANDING = """
    CASE
        WHEN needed.state NOT IN ('completed', 'failed', 'cancelled') THEN 'unmet'
        WHEN link.after = 'any' THEN 'met'
        WHEN link.after = 'ok' AND needed.state = 'completed' THEN 'met'
        WHEN link.after = 'failed' AND (needed.state = 'failed' OR needed.end_reason = 'dependency_failed') THEN 'met'
        ELSE 'dead'
    END
"""
MET, UNMET, DEAD = (str(standing) for standing in (Standing.MET, Standing.UNMET, Standing.DEAD))
DEPENDENCIES = f"""
    SELECT job_id,
           array_agg(needs_id ORDER BY id) FILTER (WHERE standing = 'unmet'),
           array_agg(needs_id ORDER BY id) FILTER (WHERE standing = 'dead'),
           array_agg(needs_id ORDER BY id) FILTER (WHERE standing <> 'met' AND after = 'any'),
           array_agg(needs_id ORDER BY id) FILTER (WHERE standing <> 'met' AND after = 'failed'),
           date_part('epoch', max(finished_at))
    FROM (
        SELECT link.*, needed.finished_at, {STANDING} AS standing
        FROM jobs_job AS job
        JOIN jobs_jobdependency AS link ON link.job_id = job.id
        JOIN jobs_job AS needed ON needed.id = link.needs_id
        WHERE job.state = 'pending'
    ) AS links
    GROUP BY job_id
"""  # noqa: S608  made of constants


def dependencies() -> dict[str, Any]:
    """For each waiting job the dependencies that are still to come, and those that will never come, in columns of `job_rows.JobContext`.

    `ready`: when the last of them ended so far.
    """
    with connection.cursor() as cursor:
        cursor.execute(DEPENDENCIES)
        found = cursor.fetchall()
    columns = ("unmet", "broken", "needs_end", "needs_failure")
    links = {name: {row[0]: tuple(row[at]) for row in found if row[at]} for at, name in enumerate(columns, start=1)}
    return {**links, "ready": {row[0]: row[-1] for row in found if row[-1] is not None}}
