"""Numbers of what jobs have done since the beginning, which only grow, whatever is restarted, requeued or deleted.

They are counted from the events that each change of state writes anyway, so ends do not wait for each other at a counter's
row; and of preemptions, from their rows. Most stand in rows of sums; what came since is counted with each question, in the
same statement and so by the same picture.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from django.db import connection, transaction

from jobs.models import JobCountProgress
from jobs.models.queries import named_rows, rows
from jobs.usage import counted_preemptions
from jobs.usage.counted_events import BUCKETS, NEW, OF_JOBS, SPAN, arguments, counts_of

AT_ONCE = 20_000
"""So many events in one transaction."""
SECONDS = 5.0
"""So long one call goes on; the next one goes on after it."""
COLUMNS = "series, label, at_most, count, seconds"
ADD = f"""
    INSERT INTO jobs_jobcount AS known ({COLUMNS}) %s
    ON CONFLICT (series, label, at_most)
    DO UPDATE SET count = known.count + excluded.count, seconds = known.seconds + excluded.seconds
"""
ALL = f"""
    SELECT series, label, at_most, sum(count)::bigint, sum(seconds)
    FROM (
        SELECT {COLUMNS} FROM jobs_jobcount UNION ALL ({counts_of(NEW)}) UNION ALL {counted_preemptions.NEW}
    ) AS every GROUP BY 1, 2, 3
"""  # noqa: S608  made of constants
GIVEN = "SELECT * FROM unnest(%s::text[], %s::text[], %s::float8[], %s::bigint[], %s::float8[])"
ANY_NEW = f"""
    SELECT EXISTS (SELECT FROM jobs_jobevent AS event WHERE {OF_JOBS}) OR EXISTS (
        SELECT FROM jobs_preemption AS preemption JOIN jobs_attempt AS attempt ON attempt.id = preemption.attempt_id
        WHERE NOT preemption.counted AND {counted_preemptions.OF_JOBS}
    )
"""  # noqa: S608  likewise
# A transaction that changes a job's state has written before it writes its event: its number is below the first that has not
# begun. So the sequence comes first, in a statement before the one that looks which transactions there are.
LAST_EVENT = "SELECT last_value - (NOT is_called)::int FROM jobs_jobevent_id_seq"
TRANSACTIONS = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""


class Count(NamedTuple):
    """How often something happened, and how many seconds that took all together."""

    series: str
    label: str
    at_most: float
    number: int
    seconds: float


def counts() -> list[Count]:
    """Everything, up to now."""
    return [Count(*row) for row in named_rows(ALL, **arguments())]


def add(found: Iterable[Count]) -> None:
    """What no event tells. Only where one writes at a time, as the planner: others wait for the rows until the commit."""
    with connection.cursor() as cursor:
        cursor.execute(ADD % GIVEN, [list(column) for column in zip(*found, strict=True)])


def observed(series: str, seconds: float, label: str = "") -> Count:
    """One more of a histogram."""
    bounds = (*BUCKETS[series], inf)
    return Count(series, label, bounds[bisect_left(bounds, seconds)], 1, float(seconds))


def fold() -> int:
    """Write down what came since; answers how many events further it is counted. Who finds another at work leaves it alone."""
    until, count = monotonic() + SECONDS, 0
    while monotonic() < until and (some := _next_events()):
        count += some
    return count


def keep_of(jobs: Collection[int]) -> None:
    """In the transaction that deletes these jobs, before it does: what is not written down of them yet would be gone."""
    wanted = arguments(jobs=list(jobs))
    if not named_rows(ANY_NEW, **wanted)[0][0]:
        return
    JobCountProgress.objects.select_for_update().get(pk=1)  # nobody counts them meanwhile
    with connection.cursor() as cursor:
        cursor.execute(ADD % counts_of(OF_JOBS), wanted)
    _count_preemptions(counted_preemptions.COUNT_OF_JOBS, jobs=list(jobs))


@transaction.atomic
def _next_events() -> int:
    progress = JobCountProgress.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if progress is None:
        return 0
    _count_preemptions(counted_preemptions.COUNT_OVER, limit=AT_ONCE)
    after, final = progress.counted_until, _final(progress)
    until = min(final, after + AT_ONCE)
    if until > after:
        with connection.cursor() as cursor:
            cursor.execute(ADD % counts_of(SPAN), arguments(after=after, until=until))
    progress.counted_until = until
    progress.save()
    return until - after


def _count_preemptions(statement: str, **wanted: Any) -> None:
    """With the row of progress locked: nobody else counts them."""
    if found := named_rows(statement, **wanted):
        add(Count(*row) for row in found)


def _final(progress: JobCountProgress) -> int:
    """The last event up to which none can appear any more; notes how far that will be the next time, once all is counted."""
    [[last]] = rows(LAST_EVENT)
    [[oldest, following]] = rows(TRANSACTIONS)
    known, noted, over = progress.counted_until, progress.next_until, progress.when_over
    reached = noted if noted is not None and over is not None and over <= oldest else known
    waits = over is not None and oldest < over <= following  # a later one is of another cluster, from a backup
    if reached <= known + AT_ONCE and not waits:
        progress.next_until, progress.when_over = last, following
    return max(reached, known)
