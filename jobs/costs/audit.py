"""The ledger worked out again: each settlement from its interval and the prices, each interval from its placement."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from jobs.costs import placements, settlement
from jobs.models import Placement
from jobs.models.queries import named_rows
from quotas.costs import ledger
from quotas.costs.ledger import HeldPlacement, Kind
from quotas.costs.rows import LedgerTransaction, Price
from scheduling.sharing import prices
from scheduling.sharing.prices import rounded

CHUNK = 5_000
WRONG_REFUNDS = """
    SELECT refund.placement, refund.cost, settled.cost
    FROM quotas_ledgertransaction AS refund
    LEFT JOIN quotas_ledgertransaction AS settled ON settled.placement = refund.placement AND settled.kind = 'settle'
    WHERE refund.kind = 'refund' AND settled.cost IS DISTINCT FROM -refund.cost
        AND (%(since)s::timestamptz IS NULL OR refund.at >= %(since)s)
    ORDER BY refund.placement
"""
LEFT_ON_HOLD = """
    SELECT held.placement, placement.closed_at
    FROM quotas_ledgertransaction AS held LEFT JOIN jobs_placement AS placement ON placement.id = held.placement
    WHERE held.kind = 'hold' AND (placement.id IS NULL OR placement.closed_at IS NOT NULL)
        AND (%(since)s::timestamptz IS NULL OR placement.closed_at >= %(since)s)
        AND NOT EXISTS (
            SELECT FROM quotas_ledgertransaction AS settled
            WHERE settled.placement = held.placement AND settled.kind = 'settle'
        )
    ORDER BY held.placement
"""
UNBALANCED = """
    SELECT of.placement, of.cost, coalesce(sum(line.amount), 0)
    FROM quotas_ledgertransaction AS of LEFT JOIN quotas_ledgerentry AS line ON line.transaction_id = of.id
    WHERE %(since)s::timestamptz IS NULL OR (NOT (of.kind = 'hold') AND of.at >= %(since)s)
    GROUP BY of.id
    HAVING coalesce(sum(line.amount), 0) <> 0
        OR coalesce(sum(line.amount) FILTER (WHERE line.account IN ('revenue', 'refund')), 0) <> of.cost
    ORDER BY of.placement
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """A placement of which the ledger says something else than its interval and the prices do."""

    placement: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Audit:
    """How many settlements were worked out again, what is wrong, and what ended without being settled, with when it did."""

    settlements: int = 0
    drifts: Sequence[Drift] = ()
    unsettled: dict[int, datetime] = field(default_factory=dict)


@transaction.atomic
def audit(since: datetime | None = None) -> Audit:
    """Work out the ledger again, whole, or what was booked and what ended `since` then; changes nothing."""
    known = [row.as_value() for row in Price.objects.filter(currency=settings.CURRENCY)]
    drifts: list[Drift] = []
    count = 0
    for chunk in _settlements(since):
        count += len(chunk)
        intervals = _intervals([row.placement for row in chunk])
        for row in chunk:
            paid = _cost(ledger.held_of(row), row.held_until or row.at, known)
            if paid != row.cost:
                drifts.append(Drift(row.placement, f"It was settled at {row.cost}; by the prices it costs {paid}."))
            if intervals.get(row.placement, (row.held_from, row.held_until)) != (row.held_from, row.held_until):
                drifts.append(Drift(row.placement, "It was settled for another interval than that of the placement."))
    unsettled = _unsettled(known, since)
    left = dict(named_rows(LEFT_ON_HOLD, since=since))
    drifts += [Drift(pk, "What was set aside for it was never given back.") for pk in left]
    drifts += [Drift(pk, "It ended and was not settled.") for pk in unsettled if pk not in left]
    drifts += [
        Drift(pk, f"It was refunded {-back}, and had cost {paid}.")
        for pk, back, paid in named_rows(WRONG_REFUNDS, since=since)
    ]
    drifts += [
        Drift(pk, f"Its lines are {sum_} together, its cost {paid}.")
        for pk, paid, sum_ in named_rows(UNBALANCED, since=since)
    ]
    closed = {pk: closed_at for pk, closed_at in left.items() if closed_at is not None}
    return Audit(count, drifts, closed | unsettled)


def settle_left(found: Audit) -> int:
    """Settle what ended without it: an agent of a release without costs reported it. Answers how many placements."""
    for start in range(0, len(found.unsettled), CHUNK):
        with transaction.atomic():
            settlement.settle(dict(list(found.unsettled.items())[start : start + CHUNK]))
    return len(found.unsettled)


def _settlements(since: datetime | None) -> Iterator[list[LedgerTransaction]]:
    # With the condition of the index by which the latest are found.
    booked = LedgerTransaction.objects.exclude(kind=Kind.HOLD).filter(kind=Kind.SETTLE)
    asked = booked if since is None else booked.filter(at__gte=since)
    last = 0
    while chunk := list(asked.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        yield chunk
        last = chunk[-1].pk


def _intervals(placement_ids: Sequence[int]) -> dict[int, tuple[datetime, datetime | None]]:
    """Of those of these placements that are still on record, from when until when they were held."""
    found = Placement.objects.filter(pk__in=placement_ids).values_list("pk", "created_at", "closed_at")
    return {pk: (created_at, closed_at) for pk, created_at, closed_at in found}


def _unsettled(known: Sequence[prices.Price], since: datetime | None) -> dict[int, datetime]:
    """What is closed, would cost something by the prices, and is not in the ledger."""
    if not known:
        return {}
    on_record = LedgerTransaction.objects.filter(placement=OuterRef("pk"), kind=Kind.SETTLE)
    priced = min(price.since for price in known)
    first = priced if since is None else max(priced, since)
    ended = Placement.objects.filter(~Exists(on_record), closed_at__gt=first).values_list("pk", "closed_at")
    closed: dict[int, datetime] = {pk: closed_at for pk, closed_at in ended if closed_at is not None}
    found = placements.held(list(closed))
    costs = {one.held.placement: _cost(one.held, closed[one.held.placement], known) for one in found}
    return {pk: closed[pk] for pk, amount in costs.items() if amount}


def _cost(held: HeldPlacement, until: datetime, known: Sequence[prices.Price]) -> Decimal:
    return rounded(prices.cost(held.holding, held.held_from, until, known))
