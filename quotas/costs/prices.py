"""The price table: set by staff, never changed behind anybody's back. What was valid stays on record as it was."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Exists, Q, QuerySet
from django.db.models.functions import Now

from quotas.clock import database_now
from quotas.costs.rows import Price
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError
from scheduling.sharing import prices
from scheduling.sharing.prices import Target

PRICES_LOCK = 0x7072_6963  # "pric": whoever reckons with prices holds it shared, whoever changes them alone
NAMED = {Target.NODE: "The name of a node.", Target.NODE_TYPE: "The type of a node, as its label node-type says."}
ANY_PRICE = Exists(Price.objects.all())
"""Whether anything has a price: for statements that are made anyway, so that who has no prices pays nothing for them."""


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """A price that somebody wants to set; without `valid_from` from now on."""

    target: str
    per_hour: Decimal
    name: str = ""
    capacity: str = ""
    currency: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None


def valid_within(since: datetime, until: datetime) -> list[prices.Price]:
    """Every price that is valid at some moment from `since` until `until`, in the platform's currency."""
    rows = Price.objects.filter(currency=settings.CURRENCY, valid_from__lte=until)
    return [row.as_value() for row in rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=since))]


def valid_now() -> list[prices.Price]:
    return [row.as_value() for row in valid_rows()]


def valid_rows() -> QuerySet[Price]:
    """Those that are valid now, in the platform's currency."""
    rows = Price.objects.filter(currency=settings.CURRENCY, valid_from__lte=Now())
    return rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=Now()))


def lock_prices(*, alone: bool) -> datetime:
    """Keep prices as they are until the transaction ends, `alone` to change them; answers the database's moment after that.

    A change comes whole before or whole after everything that is settled, so that nothing is settled by prices of which
    the table says later that they were others.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s)", [PRICES_LOCK])
    return database_now()


@transaction.atomic
def set_price(wanted: PriceRequest, actor: User) -> Price:
    """A new price, by staff. Raises InvalidError naming each field that is wrong, and the price that is in the way."""
    _refuse_others(actor)
    return _made(wanted, actor, lock_prices(alone=True))


@transaction.atomic
def replace_price(price_id: int, per_hour: Decimal, actor: User) -> Price:
    """From now on the same costs something else: the price ends, and in the same moment its successor begins."""
    _refuse_others(actor)
    now = lock_prices(alone=True)
    price = find_price(price_id)
    _end(price, now, now)
    return _made(replace(_as_request(price), per_hour=per_hour), actor, now)


def _made(wanted: PriceRequest, actor: User, now: datetime) -> Price:
    if faults := faults_of(wanted, now):
        raise InvalidError(faults)
    return Price.objects.create(
        target=wanted.target,
        name=wanted.name,
        capacity=wanted.capacity,
        per_hour=wanted.per_hour,
        currency=settings.CURRENCY,
        valid_from=wanted.valid_from or now,
        valid_to=wanted.valid_to,
        created_by=actor.get_username(),
    )


@transaction.atomic
def end_price(price_id: int, actor: User, valid_to: datetime | None = None) -> Price:
    """Let a price end, at once or then; what it was until then stays. One that has not begun may be ended before it begins."""
    _refuse_others(actor)
    now = lock_prices(alone=True)
    price = find_price(price_id)
    _end(price, valid_to or now, now)
    return price


def _end(price: Price, end: datetime, now: datetime) -> None:
    if price.valid_to is not None and price.valid_to <= now:
        raise ConflictError(f"Price {price.pk} ended at {price.valid_to.isoformat()}.", state="ended")
    if end < now:
        raise InvalidError([FieldError("valid_to", "Must not lie in the past: what was valid stays so.", "past")])
    if end <= price.valid_from:
        raise InvalidError([FieldError("valid_to", f"Must lie after {price.valid_from.isoformat()}.", "order")])
    others = Price.objects.exclude(pk=price.pk)
    if faults := _overlap_faults(_as_request(price), price.valid_from, end, others):
        raise InvalidError([FieldError("valid_to", faults[0].message, "overlap")])
    price.valid_to = end
    price.save(update_fields=["valid_to"])


@transaction.atomic
def remove_price(price_id: int, actor: User) -> None:
    """Forget a price that has not begun. One that has is ended instead: its past is what bills were made of."""
    _refuse_others(actor)
    now = lock_prices(alone=True)
    price = find_price(price_id)
    if price.valid_from <= now:
        raise ConflictError(f"Price {price_id} has been valid: give it an end instead (valid_to).", state="begun")
    price.delete()


def find_price(price_id: int) -> Price:
    price = Price.objects.filter(pk=price_id).first()
    if price is None:
        raise NotFoundError(f"There is no price {price_id}.")
    return price


def faults_of(wanted: PriceRequest, now: datetime) -> list[FieldError]:
    """Everything that is wrong with it."""
    faults = [*_currency_faults(wanted), *_name_faults(wanted), *_validity_faults(wanted, now)]
    if not faults:
        faults += _overlap_faults(wanted, wanted.valid_from or now, wanted.valid_to, Price.objects.all())
    return faults


def _refuse_others(actor: User) -> None:
    if not actor.is_staff:
        raise ForbiddenError("Only staff may set prices.")


def _currency_faults(wanted: PriceRequest) -> list[FieldError]:
    if wanted.currency in ("", settings.CURRENCY):
        return []
    words = f"This platform reckons in {settings.CURRENCY} (TRAINYARD_CURRENCY), not in {wanted.currency!r}."
    return [FieldError("currency", words, "currency")]


def _name_faults(wanted: PriceRequest) -> list[FieldError]:
    if wanted.target in NAMED and not wanted.name:
        return [FieldError("name", NAMED[Target(wanted.target)], "required")]
    if wanted.target in (Target.CPU, Target.MEMORY_GB) and wanted.name:
        return [FieldError("name", "A CPU and a GB of memory cost the same on every node: leave it empty.", "unknown")]
    return []


def _validity_faults(wanted: PriceRequest, now: datetime) -> list[FieldError]:
    faults = []
    if wanted.valid_from is not None and wanted.valid_from < now:
        words = "Must not lie in the past: what ran by then was free of it. Leave it empty for now."
        faults.append(FieldError("valid_from", words, "past"))
    if wanted.valid_to is not None and wanted.valid_to <= (wanted.valid_from or now):
        faults.append(FieldError("valid_to", "Must lie after its start.", "order"))
    return faults


def _overlap_faults(
    wanted: PriceRequest, since: datetime, until: datetime | None, others: QuerySet[Price]
) -> list[FieldError]:
    """The database refuses what this has missed."""
    same = others.filter(target=wanted.target, name__iexact=wanted.name, capacity=wanted.capacity)
    same = same.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=since))
    other = (same if until is None else same.filter(valid_from__lt=until)).first()
    if other is None:
        return []
    end = f"until {other.valid_to.isoformat()}" if other.valid_to else "until further notice"
    words = f"Price {other.pk} ({other}) is valid from {other.valid_from.isoformat()} {end}: end that one first."
    return [FieldError("valid_from", words, "overlap")]


def _as_request(price: Price) -> PriceRequest:
    return PriceRequest(price.target, price.per_hour, price.name, price.capacity)
