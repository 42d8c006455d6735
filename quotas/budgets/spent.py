"""What was spent in a period, read from the ledger: settlements less refunds, those over its border with the part inside it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import inf

from django.db import connection

from quotas.costs import ledger, prices
from quotas.costs.ledger import Kind
from quotas.costs.rows import LedgerTransaction
from scheduling.price_list import Price
from scheduling.sharing.periods import Span
from scheduling.sharing.prices import cost, rounded
from scheduling.sharing.rates import MILLION

# What is booked is booked at its end or later. The condition of the index is repeated word for word.
INSIDE = """
    SELECT project, sum(cost) FROM quotas_ledgertransaction
    WHERE NOT (kind = 'hold') AND at > %(after)s AND at <= %(before)s AND held_from >= %(start)s AND held_until <= %(end)s
    GROUP BY project
"""


def money_spent(span: Span, booked: Span | None = None) -> dict[int, int]:
    """In that period, by project and without what lies below it, in millionths of the currency.

    Of what was booked in all that time, or after the one moment and until the other.
    """
    start, end = (datetime.fromtimestamp(one, UTC) for one in span)
    after, before = bounds(booked or Span(span.start, inf))
    spent: defaultdict[int, Decimal] = defaultdict(Decimal)
    with connection.cursor() as cursor:
        cursor.execute(INSIDE, {"start": start, "end": end, "after": after, "before": before})
        spent.update(cursor.fetchall())
    for row, part in _parts(_over_the_border(start, end, after, before), start, end):
        spent[row.project] += part
    return {project: int(amount * MILLION) for project, amount in spent.items()}


def bounds(booked: Span) -> tuple[datetime, datetime]:
    """As PostgreSQL is asked for it."""
    before = datetime.max.replace(tzinfo=UTC) if booked.end == inf else datetime.fromtimestamp(booked.end, UTC)
    return datetime.fromtimestamp(booked.start, UTC), before


def _over_the_border(start: datetime, end: datetime, after: datetime, before: datetime) -> list[LedgerTransaction]:
    """What was held at the beginning of the period, or at its end."""
    of_then = LedgerTransaction.objects.filter(at__gt=after, at__lte=before, held_until__gt=start)
    booked = of_then.exclude(kind=Kind.HOLD)
    earlier = booked.filter(held_from__lt=start)
    later = booked.filter(held_from__gte=start, held_from__lt=end, held_until__gt=end)
    return [*earlier, *later]


def _parts(
    booked: Sequence[LedgerTransaction], start: datetime, end: datetime
) -> list[tuple[LedgerTransaction, Decimal]]:
    """What of each lies in the period. The parts of all periods are together what was booked, to the last digit."""
    if not booked:
        return []
    held = [(row, row.held_until or row.at) for row in booked]
    known = prices.valid_within(min(row.held_from for row in booked), max(until for _, until in held))
    return [
        (row, _until(row, min(until, end), until, known) - _until(row, max(row.held_from, start), until, known))
        for row, until in held
    ]


def _until(row: LedgerTransaction, moment: datetime, until: datetime, known: Sequence[Price]) -> Decimal:
    """What of it had come together by then."""
    if moment >= until:
        return row.cost
    paid = rounded(cost(ledger.held_of(row).holding, row.held_from, moment, known))
    return paid if row.kind == Kind.SETTLE else -paid
