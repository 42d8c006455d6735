"""Hours that are over are summed up once, so that reports stay fast and outlive the jobs that they tell of."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import connection, transaction
from django.db.models import Min

from jobs.models import Job, UsageHour, UsageRollup
from jobs.usage.derived import COLUMNS, DERIVED, DIMENSIONS, arguments
from quotas.clock import database_now
from quotas.models import LedgerTransaction

HOUR = timedelta(hours=1)
SETTLED = timedelta(minutes=5)
"""So long after its end an hour is summed up: what happened in it is on record by then, as leases are far shorter."""
AT_ONCE = 24
"""So many hours in one transaction."""
SECONDS = 20.0
"""So long one call goes on; the next one goes on after it."""
WRITE = f"INSERT INTO jobs_usagehour ({COLUMNS}) SELECT * FROM ({DERIVED}) AS derived"  # noqa: S608  made of constants
ORDER = ", ".join(DIMENSIONS)
# All that stands in an hour, but for the numbers of its rows.
FINGERPRINTS = f"""
    SELECT hour, md5(string_agg(said::text, ';' ORDER BY {ORDER}))
    FROM (SELECT {COLUMNS} FROM jobs_usagehour WHERE hour >= %s AND hour < %s) AS said GROUP BY hour
"""  # noqa: S608  likewise


def roll_up() -> int:
    """Sum up the hours that are over and not on record yet, the oldest first; answers how many it came to.

    One goes on where the one before it stopped, after a downtime too; who finds another at work leaves it alone.
    """
    until, count = monotonic() + SECONDS, 0
    while monotonic() < until and (some := _next_hours()):
        count += some
    return count


def rolled_up_until() -> datetime | None:
    """The end of the last hour that is on record; None: none is."""
    return UsageRollup.objects.values_list("rolled_up_until", flat=True).first()


def recompute(since: datetime, until: datetime, *, keep: bool) -> list[datetime]:
    """Work out again the hours on record between these two; answers those that come out otherwise, and with `keep` writes them.

    Jobs that were deleted are no longer counted then, nor the waits of those whose events were.
    """
    last = min(until, rolled_up_until() or since)
    differ: list[datetime] = []
    for hours in _batches(floor_to_hour(since), last):
        with transaction.atomic():
            _lock()
            before = _fingerprints(hours)
            write(hours)
            after = _fingerprints(hours)
            differ += [hour for hour in hours if before.get(hour) != after.get(hour)]
            transaction.set_rollback(not keep)
    return differ


def floor_to_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def write(hours: Sequence[datetime]) -> None:
    """Sum up these hours, in place of what is on record of them."""
    UsageHour.objects.filter(hour__gte=hours[0], hour__lte=hours[-1]).delete()
    with connection.cursor() as cursor:
        cursor.execute(WRITE, arguments([(hour, hour + HOUR) for hour in hours]))


@transaction.atomic
def _next_hours() -> int:
    progress = _lock(skip=True)
    over = floor_to_hour(database_now() - SETTLED)
    if progress is None:
        return 0
    since = progress.rolled_up_until or _first_hour() or over
    hours = next(_batches(since, over), [])
    if hours:
        write(hours)
    progress.rolled_up_until = hours[-1] + HOUR if hours else since
    progress.save(update_fields=["rolled_up_until"])
    return len(hours)


def _lock(*, skip: bool = False) -> UsageRollup | None:
    return UsageRollup.objects.select_for_update(skip_locked=skip).filter(pk=1).first()


def _first_hour() -> datetime | None:
    """In which the first job came, or the first that is in the ledger: it may be deleted."""
    firsts = (Job.objects.aggregate(first=Min("created_at")), LedgerTransaction.objects.aggregate(first=Min("at")))
    return min((floor_to_hour(found["first"]) for found in firsts if found["first"]), default=None)


def _batches(since: datetime, until: datetime) -> Iterator[list[datetime]]:
    count = max(0, (until - since) // HOUR)
    for start in range(0, count, AT_ONCE):
        yield [since + number * HOUR for number in range(start, min(start + AT_ONCE, count))]


def _fingerprints(hours: Sequence[datetime]) -> dict[datetime, Any]:
    with connection.cursor() as cursor:
        cursor.execute(FINGERPRINTS, [hours[0], hours[-1] + HOUR])
        return dict(cursor.fetchall())
