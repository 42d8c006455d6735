"""The double-entry ledger: a hold when a placement begins, its settlement when it ends, a refund of what the platform failed.

Each is written once for a placement, however often it is asked for, and in the transaction of whoever asks: with the
placement that it is about, or not at all. The database refuses lines that are not nothing together, and any change.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from django.conf import settings
from django.db import connection

from quotas.costs import prices
from quotas.costs.rows import LedgerEntry, LedgerTransaction
from scheduling.sharing.prices import Holding, cost, rounded

Kind: TypeAlias = LedgerTransaction.Kind
Account: TypeAlias = LedgerEntry.Account
NOTHING = Decimal(0)
# Who comes second for the same placement waits for the first one's commit, and writes nothing.
WRITE = """
    INSERT INTO quotas_ledgertransaction (
        kind, placement, at, cost, currency, reason, job, job_name, attempt, batch, labels, project, project_slug, user_name,
        node, holding, held_from, held_until
    )
    SELECT kind, placement, at, cost, currency, reason, job, job_name, attempt, batch, labels, project, project_slug, user_name,
        node, holding, held_from, held_until
    FROM jsonb_populate_recordset(NULL::quotas_ledgertransaction, %s) AS said
    ORDER BY placement
    ON CONFLICT (placement, kind) DO NOTHING
    RETURNING placement, id
"""
WRITE_ENTRIES = """
    INSERT INTO quotas_ledgerentry (transaction_id, account, amount)
    SELECT transaction_id, account, amount FROM unnest(%s::bigint[], %s::text[], %s::numeric[])
        AS said (transaction_id, account, amount)
"""
Lines = Mapping[Account, Decimal]


@dataclass(frozen=True, slots=True)
class HeldPlacement:
    """A placement as the ledger knows it: whose it is, in plain values, what it holds, and since when."""

    placement: int
    job: int
    job_name: str
    attempt: int
    project: int
    project_slug: str
    node: str
    held_from: datetime
    holding: Holding
    user_name: str = ""
    batch: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Posting:
    """One transaction that is to be written, and its lines."""

    held: HeldPlacement
    kind: Kind
    at: datetime
    lines: Lines
    held_until: datetime | None = None
    reason: str = ""

    def as_data(self) -> dict[str, object]:
        paid = self.lines.get(Account.REVENUE, NOTHING) + self.lines.get(Account.REFUND, NOTHING)
        known = asdict(replace(self.held, labels=dict(self.held.labels)))
        more = {"kind": self.kind, "at": self.at, "held_until": self.held_until, "reason": self.reason}
        return {**known, **more, "cost": paid, "currency": settings.CURRENCY}


def hold(amounts: Iterable[tuple[HeldPlacement, Decimal]]) -> None:
    """Set so much aside for each of these placements, which have just begun."""
    _write(
        [
            _Posting(held, Kind.HOLD, held.held_from, {Account.PROJECT: -amount, Account.HOLD: amount})
            for held, amount in amounts
        ]
    )


def settle(ended: Sequence[tuple[HeldPlacement, datetime]]) -> None:
    """Give back what was set aside for these placements, and book what they cost from their beginning until then.

    Nothing is written of a placement for which nothing was set aside and that costs nothing. The caller holds the
    prices' lock: see `prices.lock_prices`.
    """
    if not ended:
        return
    known = prices.valid_within(min(held.held_from for held, _ in ended), max(until for _, until in ended))
    on_hold = _amounts_on_hold([held.placement for held, _ in ended])
    _write(
        [
            _settlement(held, until, on_hold.get(held.placement, NOTHING), paid)
            for held, until in ended
            if (paid := rounded(cost(held.holding, held.held_from, until, known))) or held.placement in on_hold
        ]
    )


def _settlement(held: HeldPlacement, until: datetime, on_hold: Decimal, paid: Decimal) -> _Posting:
    lines = {Account.HOLD: -on_hold, Account.PROJECT: on_hold - paid, Account.REVENUE: paid}
    return _Posting(held, Kind.SETTLE, until, lines, until)


def refund(placements: Sequence[int], at: datetime, reason: str) -> int:
    """Give back what these placements cost, where that has not been done yet; answers of how many."""
    rows = LedgerTransaction.objects.filter(placement__in=placements, kind=Kind.SETTLE, cost__gt=0).order_by(
        "placement"
    )
    return _write(
        [
            _Posting(
                held_of(row),
                Kind.REFUND,
                at,
                {Account.REFUND: -row.cost, Account.PROJECT: row.cost},
                row.held_until,
                reason,
            )
            for row in rows
        ]
    )


def on_record(placements: Sequence[int]) -> dict[int, HeldPlacement]:
    """Of these placements those for which something was set aside, as they were then."""
    rows = LedgerTransaction.objects.filter(placement__in=placements, kind=Kind.HOLD)
    return {row.placement: held_of(row) for row in rows}


def held_of(row: LedgerTransaction) -> HeldPlacement:
    return HeldPlacement(
        placement=row.placement,
        job=row.job,
        job_name=row.job_name,
        attempt=row.attempt,
        project=row.project,
        project_slug=row.project_slug,
        node=row.node,
        held_from=row.held_from,
        holding=Holding(**row.holding),
        user_name=row.user_name,
        batch=row.batch,
        labels=row.labels,
    )


def _amounts_on_hold(placements: Sequence[int]) -> dict[int, Decimal]:
    rows = LedgerEntry.objects.filter(
        transaction__placement__in=placements, transaction__kind=Kind.HOLD, account=Account.HOLD
    )
    return dict(rows.values_list("transaction__placement", "amount"))


def _write(postings: Sequence[_Posting]) -> int:
    """Write those that are not on record yet; answers how many that were."""
    if not postings:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [json.dumps([one.as_data() for one in postings], default=str)])
        new = dict(cursor.fetchall())
        entries = [
            (new[one.held.placement], str(account), amount)
            for one in postings
            if one.held.placement in new
            for account, amount in one.lines.items()
            if amount
        ]
        cursor.execute(WRITE_ENTRIES, [list(column) for column in zip(*entries, strict=True)] or [[], [], []])
    return len(new)
