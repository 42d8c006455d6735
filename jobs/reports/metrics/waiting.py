"""Whether anybody waited too long."""

from collections.abc import Iterator

from jobs.reports.metrics.families import Family, gauge, query

SHORTEST_RUN_SECONDS = 10
"""In a stretch a shorter run counts as this: else a job of a second that waited a minute would be the worst of all."""
STRETCH = """
    SELECT max((date_part('epoch', started_at - created_at) + run) / run)
    FROM (SELECT created_at, started_at, greatest(date_part('epoch', finished_at - started_at), %s) AS run
          FROM jobs_job WHERE finished_at > now() - interval '1 day' AND started_at IS NOT NULL) AS ended
"""


def waits() -> Iterator[Family]:
    [[worst]] = query(STRETCH, [SHORTEST_RUN_SECONDS])
    text = "The largest (wait + run) / run of jobs that ended in the last day; runs count as 10 s at least."
    yield gauge("worst_stretch", text, worst or 0)
