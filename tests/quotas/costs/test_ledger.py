"""The ledger: each thing once a placement, always in balance, never changed; the database itself sees to it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from quotas.costs import ledger, prices
from quotas.costs.ledger import HeldPlacement
from quotas.models import LedgerEntry, LedgerTransaction, Price
from scheduler_site.checks import costs
from scheduling.sharing.prices import Holding, cost, rounded
from tests.racing import race

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CPUS = 4


def held(placement=1, **fields):
    known = {"job": 7, "job_name": "train", "attempt": 1, "project": 3, "project_slug": "vision", "node": "n1"}
    holding = Holding(cpus=CPUS, node="n1")
    return HeldPlacement(placement, **{**known, "held_from": NOON, "holding": holding, **fields})


def price_of_cpus(per_hour="0.50", since=NOON - HOUR, until=None):
    return Price.objects.create(
        target="cpu", per_hour=Decimal(per_hour), currency="EUR", valid_from=since, valid_to=until
    )


def lines(kind):
    rows = LedgerEntry.objects.filter(transaction__kind=kind).order_by("account")
    return {row.account: row.amount for row in rows}


def checked():
    """What a commit would check."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.django_db
def test_a_placement_is_held_settled_and_refunded_each_once():
    price_of_cpus()
    for _ in range(2):
        ledger.hold([(held(), Decimal(10))])
        ledger.settle([(held(), NOON + HOUR)])
        ledger.refund([1], NOON + HOUR, "node_lost")
    checked()

    assert lines("hold") == {"hold": 10, "project": -10}
    assert lines("settle") == {"hold": -10, "project": 8, "revenue": 2}
    assert lines("refund") == {"project": 2, "refund": -2}
    assert [(row.kind, int(row.cost)) for row in LedgerTransaction.objects.all()] == [
        ("hold", 0),
        ("settle", 2),
        ("refund", -2),
    ]


@pytest.mark.django_db
def test_what_costs_nothing_is_not_written():
    ledger.settle([(held(), NOON + HOUR)])
    ledger.refund([1], NOON, "node_lost")
    assert not LedgerTransaction.objects.exists()


@pytest.mark.django_db
def test_what_was_set_aside_is_given_back_though_it_cost_nothing():
    ledger.hold([(held(), Decimal(3))])
    ledger.settle([(held(), NOON + HOUR)])
    assert lines("settle") == {"hold": -3, "project": 3}


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["quotas_ledgertransaction", "quotas_ledgerentry"])
def test_the_database_refuses_to_change_what_is_written(statement, table):
    ledger.hold([(held(), Decimal(3))])
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("entries", "words"), [([("hold", 1)], "does not balance"), ([("hold", -2), ("revenue", 2)], "its lines say")]
)
def test_the_database_refuses_lines_that_are_not_nothing_together(entries, words):
    ledger.hold([(held(), Decimal(3))])
    written = LedgerTransaction.objects.get()
    for account, amount in entries:
        LedgerEntry.objects.create(transaction=written, account=account, amount=amount)
    with pytest.raises(IntegrityError, match=words):
        checked()


@pytest.mark.django_db(transaction=True)
def test_two_connections_settle_the_same_placement_once():
    price_of_cpus()
    ledger.hold([(held(), Decimal(10))])

    def settle():
        with transaction.atomic():
            ledger.settle([(held(), NOON + HOUR)])

    race(settle, settle)

    assert LedgerTransaction.objects.filter(kind="settle").count() == 1
    assert LedgerEntry.objects.aggregate(Sum("amount"))["amount__sum"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_price_changes_before_or_after_a_settlement_never_within():
    def settle():
        with transaction.atomic():
            prices.lock_prices(alone=False)

    def change():
        with transaction.atomic():
            return prices.lock_prices(alone=True)

    race(settle, change)


moves = st.lists(
    st.tuples(
        st.sampled_from(["hold", "settle", "refund", "price"]),
        st.integers(1, 3),
        st.integers(0, 10**10),
        st.decimals("0", "100", places=6),
    ),
    max_size=12,
)


class Histories(TestCase):
    @settings(max_examples=25)
    @given(moves)
    def test_it_balances_whatever_happens_and_each_settlement_is_what_its_interval_costs(self, history):
        for kind, placement, micros, amount in history:
            moment = NOON + timedelta(microseconds=micros)
            if kind == "hold":
                ledger.hold([(held(placement), amount)])
            elif kind == "settle":
                known = ledger.on_record([placement]).get(placement, held(placement))
                ledger.settle([(known, moment)])
            elif kind == "refund":
                ledger.refund([placement], moment, "node_lost")
            elif not Price.objects.exists():  # the next is only ever set for later: nothing that is settled changes
                price_of_cpus(amount)
        checked()

        known = [row.as_value() for row in Price.objects.all()]
        assert (LedgerEntry.objects.aggregate(Sum("amount"))["amount__sum"] or 0) == 0
        for row in LedgerTransaction.objects.filter(kind="refund"):
            assert row.cost == -LedgerTransaction.objects.get(placement=row.placement, kind="settle").cost
        for row in LedgerTransaction.objects.filter(kind="settle").exclude(cost=0):
            of = ledger.held_of(row)
            assert row.cost == rounded(cost(of.holding, of.held_from, row.held_until or NOON, known))


@pytest.mark.django_db
def test_a_ledger_in_another_currency_is_told_of_at_the_start(settings):
    ledger.hold([(held(), Decimal(3))])
    assert list(costs.check_currency_of_the_ledger(databases=["default"])) == []
    settings.CURRENCY = "USD"
    [finding] = costs.check_currency_of_the_ledger(databases=["default"])
    assert finding.id == "trainyard.E063"
    assert list(costs.check_currency_of_the_ledger(databases=None)) == []
