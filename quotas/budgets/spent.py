"""What was spent in a period, read from the ledger: settlements less refunds, those over its border with the part inside it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection

from quotas.costs import ledger, prices
from quotas.costs.ledger import Kind
from quotas.costs.rows import LedgerTransaction
from scheduling.price_list import Price
from scheduling.sharing.budget_periods import Span
from scheduling.sharing.budgets import MILLION
from scheduling.sharing.prices import cost, rounded

# What is booked is booked at its end or later. The condition of the index is repeated word for word.
INSIDE = """
    SELECT project, sum(cost) FROM quotas_ledgertransaction
    WHERE NOT (kind = 'hold') AND at > %(start)s AND held_from >= %(start)s AND held_until <= %(end)s
    GROUP BY project
"""


def money_spent(span: Span) -> dict[int, int]:
    """In that period, by project and without what lies below it, in millionths of the currency."""
    start, end = (datetime.fromtimestamp(one, UTC) for one in span)
    spent: defaultdict[int, Decimal] = defaultdict(Decimal)
    with connection.cursor() as cursor:
        cursor.execute(INSIDE, {"start": start, "end": end})
        spent.update(cursor.fetchall())
    for row, part in _parts(_over_the_border(start, end), start, end):
        spent[row.project] += part
    return {project: int(amount * MILLION) for project, amount in spent.items()}


def _over_the_border(start: datetime, end: datetime) -> list[LedgerTransaction]:
    """What was held at the beginning of the period, or at its end."""
    booked = LedgerTransaction.objects.exclude(kind=Kind.HOLD).filter(at__gt=start, held_until__gt=start)
    before = booked.filter(held_from__lt=start)
    after = booked.filter(held_from__gte=start, held_from__lt=end, held_until__gt=end)
    return [*before, *after]


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
