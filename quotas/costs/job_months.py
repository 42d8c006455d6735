"""What jobs cost in a month, read from sums that the database keeps: of a million jobs the ledger takes seconds to sum up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet, Sum

from quotas.costs.rows import JobMonth, LedgerTransaction

Narrowed = Callable[[QuerySet[Any]], QuerySet[Any]]
COLUMNS = ("job", "settled", "refunded", "paid", "placements")


class JobMonths(NamedTuple):
    """The jobs of a month, the dearest first: tuples of `COLUMNS`; and how many they are."""

    rows: QuerySet[JobMonth, Any]
    number: int


def job_months(narrowed: Narrowed, since: datetime, until: datetime, total: tuple[Any, ...]) -> JobMonths | None:
    """The same as the ledger says of the period, if that is one whole month; `total` is what the ledger says of all.

    None where the sums are not the ledger's: nobody kept them before there was this table.
    """
    if not _is_whole_month(since, until):
        return None
    known = narrowed(JobMonth.objects.filter(month=since.astimezone(UTC).date()))
    sums = known.aggregate(*(Sum(name, default=0) for name in COLUMNS[1:]), number=Count("pk"))
    number = sums.pop("number")
    # All of a month, or less than all: so it is all, if it is as much.
    return (
        JobMonths(known.order_by("-paid", "job").values_list(*COLUMNS), number)
        if tuple(sums.values()) == total
        else None
    )


def _is_whole_month(since: datetime, until: datetime) -> bool:
    """Whether that is the month in UTC in which it begins, or all that has ended in it so far."""
    first = since.astimezone(UTC)
    if first != first.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
        return False
    following = (first + timedelta(days=31)).replace(day=1)
    later = LedgerTransaction.objects.filter(at__gte=until, at__lt=following).exclude(kind="hold")
    return until <= following and not (until < following and later.exists())
