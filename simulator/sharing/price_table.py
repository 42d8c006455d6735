"""The prices of a simulation, by the rules of the platform's own: one at a time for each thing, all in one currency."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from scheduling.sharing.prices import PLACES, Capacity, Price, Target
from simulator.sharing.files import Fields, amount, read_list
from simulator.trace import SimulationError

FIELDS = (
    "target", "name", "capacity", "per_hour", "currency", "valid_from", "valid_to", "id", "created_by", "created_at",
)  # fmt: skip
USUAL_CURRENCY = "EUR"
NAMELESS = (Target.CPU, Target.MEMORY_GB)
NAMED = (Target.NODE, Target.NODE_TYPE)
ZERO = datetime(1970, 1, 1, tzinfo=UTC)
"""When a trace begins of which nobody says it."""
EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices in one currency, and the moment that is 0 in the trace."""

    prices: tuple[Price, ...]
    currency: str
    zero: datetime = ZERO

    def moment(self, seconds: float) -> datetime:
        return self.zero + timedelta(seconds=seconds)


def read_prices(path: Path, trace_start: datetime | None = None) -> PriceTable:
    """The prices of a list in JSON, with the fields of REST.

    `valid_from` and `valid_to` are seconds of the trace, or moments if it is known when the trace starts.
    """
    rows = read_list(path)
    known: list[Price] = []
    currency = ""
    for row in rows:
        row.only(FIELDS)
        one = _price(row, trace_start)
        if any(_is_same_at_a_time(one, other) for other in known):
            raise row.wrong(
                "valid_from", f"lies in the time of another price of {one.target} {one.name}".rstrip() + "."
            )
        currency = currency or _currency(row)
        if _currency(row) != currency:
            raise row.wrong(
                "currency", f"is {_currency(row)}, and that of the first price {currency}: write one for all."
            )
        known.append(one)
    if not known:
        raise SimulationError(f"{path} holds no price.")
    return PriceTable(tuple(known), currency, trace_start or ZERO)


def _currency(row: Fields) -> str:
    found = row.text("currency") or USUAL_CURRENCY
    if not re.fullmatch("[A-Z]{3}", found):
        raise row.wrong("currency", f"is {found!r}: write three capital letters, like EUR.")
    return found


def _price(row: Fields, trace_start: datetime | None) -> Price:
    target = row.read("target", Target, f"one of {', '.join(Target)}", None)
    per_hour = row.read(
        "per_hour", _money, f"an amount of money, 0 or more, with at most {PLACES} decimal places", None
    )
    if target is None or per_hour is None:
        raise row.wrong("per_hour" if target else "target", "is missing.")
    name = row.text("name")
    if bool(name) and target in NAMELESS:
        raise row.wrong("name", f"is {name!r}: a {target} has none.")
    if not name and target in NAMED:
        raise row.wrong("name", f"is missing: write which {target} it is.")
    since, until = (_moment(row, field, trace_start) for field in ("valid_from", "valid_to"))
    if since is not None and until is not None and until <= since:
        raise row.wrong("valid_to", "has to be later than valid_from.")
    capacity = row.read("capacity", Capacity, "spot, reserved or nothing", Capacity.ANY)
    return Price(target, per_hour, since or EVER, until, name, capacity)


def _money(value: Any) -> Decimal:
    found = amount(value)
    if found != round(found, PLACES):
        raise ValueError
    return found


def _moment(row: Fields, name: str, trace_start: datetime | None) -> datetime | None:
    def read(value: Any) -> datetime:
        if not isinstance(value, str):
            return (trace_start or ZERO) + timedelta(seconds=float(amount(value)))
        found = datetime.fromisoformat(value)
        if trace_start is None or found.tzinfo is None:
            raise ValueError
        return found

    right = (
        "seconds from the start of the trace; or a moment with its time zone, and --trace-start for that of the trace"
    )
    return row.read(name, read, right, None)


def _is_same_at_a_time(one: Price, other: Price) -> bool:
    def thing(price: Price) -> Sequence[str]:
        return price.target, price.name.casefold(), price.capacity

    late = datetime.max.replace(tzinfo=UTC)
    return thing(one) == thing(other) and one.since < (other.until or late) and other.since < (one.until or late)
