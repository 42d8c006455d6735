"""The money side of a placement's life: set aside as it is placed, settled as it is closed, given back where the platform failed.

In the transaction that places or closes it: what is on record of the one is on record of the other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from jobs.costs import placements
from jobs.costs.placements import Found
from jobs.models import Placement
from quotas.costs import ledger, prices
from scheduling.run_times import expected_within
from scheduling.sharing.prices import Price, cost, rounded

UNKNOWN_SECONDS = 3_600.0
"""What is set aside for a job of which nobody knows how long it runs: an hour of it."""


def hold(placement_ids: Sequence[int]) -> None:
    """Set aside what these placements, which have just been written, are expected to cost; nothing for what has no price."""
    found = placements.held(placement_ids)
    if not found:
        return
    longest = max(_until(one) for one in found)
    known = prices.valid_within(min(one.held.held_from for one in found), longest)
    amounts = [(one.held, _expected(one, known)) for one in found]
    ledger.hold([(held, amount) for held, amount in amounts if amount])


def settle(closed: Mapping[int, datetime]) -> None:
    """Book what these placements cost, which are being closed at these moments."""
    prices.lock_prices(alone=False)
    # As they were when they began: a node that was given another type, or a job that was renamed, costs what was agreed on.
    known = ledger.on_record(list(closed))
    begun_free = [pk for pk in closed if pk not in known]
    known |= {one.held.placement: one.held for one in placements.held(begun_free, placements.SUBMITTERS)}
    ledger.settle([(known[pk], moment) for pk, moment in closed.items() if pk in known])


def refund(attempts: Mapping[int, str], at: datetime) -> None:
    """Give back what all placements of these attempts have cost, each attempt with the reason for which it ended."""
    for attempt_id, reason in sorted(attempts.items()):
        of_attempt = Placement.objects.filter(attempt=attempt_id).order_by("pk")
        ledger.refund(list(of_attempt.values_list("pk", flat=True)), at, reason)


def _expected(one: Found, known: Sequence[Price]) -> Decimal:
    return rounded(cost(one.held.holding, one.held.held_from, _until(one), known))


def _until(one: Found) -> datetime:
    """When it is expected to end: as was predicted, else as its owner says, else at its limit."""
    limit = float(one.limit or one.predicted or one.estimated or UNKNOWN_SECONDS)
    return one.held.held_from + timedelta(seconds=expected_within(limit, one.predicted or one.estimated))
