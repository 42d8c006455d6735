"""Read and fold together what triggers add, row by row: see `jobs.models.job_counts`."""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from jobs.models.queries import named_rows

ENDED = """
    SELECT ended.queue, ended.state, sum(ended.jobs)::bigint FROM jobs_endedjobs AS ended
    WHERE %(all)s OR ended.project = ANY(%(projects)s)
    GROUP BY 1, 2 HAVING sum(ended.jobs) <> 0
"""
BOOKED = """
    SELECT coalesce(sum(cost) FILTER (WHERE day = today), 0), coalesce(sum(cost), 0)
    FROM jobs_daycost, LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS clock
    WHERE day BETWEEN date_trunc('month', today)::date AND today AND (%(all)s OR project = ANY(%(projects)s))
"""
FOLDS = (
    """
    WITH several AS (SELECT project, queue, state FROM jobs_endedjobs GROUP BY 1, 2, 3 HAVING count(*) > 1),
         gone AS (DELETE FROM jobs_endedjobs AS one USING several
                  WHERE (one.project, one.queue, one.state) = (several.project, several.queue, several.state)
                  RETURNING one.project, one.queue, one.state, one.jobs)
    INSERT INTO jobs_endedjobs (project, queue, state, jobs)
    SELECT project, queue, state, sum(jobs) FROM gone GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0
    """,
    """
    WITH several AS (SELECT project, day FROM jobs_daycost GROUP BY 1, 2 HAVING count(*) > 1),
         gone AS (DELETE FROM jobs_daycost AS one USING several
                  WHERE (one.project, one.day) = (several.project, several.day)
                  RETURNING one.project, one.day, one.cost)
    INSERT INTO jobs_daycost (project, day, cost)
    SELECT project, day, sum(cost) FROM gone GROUP BY 1, 2 HAVING sum(cost) <> 0
    """,
)
"""What has come twice is added up; what stands alone stays where it is, or each fold would write all days anew."""
FOLDING_LOCK = 0x666F_6C64  # "fold"


class Booked(NamedTuple):
    """What was booked as placements ended: settled, less refunds."""

    today: Decimal
    month: Decimal


def ended(projects: Collection[int] | None) -> Iterable[tuple[int, str, int]]:
    """Of these projects (None: of all) how many jobs ended, by the id of their queue and by state."""
    return named_rows(ENDED, all=projects is None, projects=list(projects or ()))


def booked(projects: Collection[int] | None) -> Booked:
    """On this day and in this month (UTC) until now."""
    return Booked(*named_rows(BOOKED, all=projects is None, projects=list(projects or ()))[0])


@transaction.atomic
def fold() -> None:
    """Make one row of those that belong together. Whoever reads meanwhile sees those before or the one after."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLDING_LOCK])
        if cursor.fetchone()[0]:
            for statement in FOLDS:
                cursor.execute(statement)
