"""What was spent in a period: from the ledger alone, whatever crosses the border with its part, refunds taken off."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from quotas.budgets.spent import money_spent
from quotas.costs import ledger
from quotas.models import LedgerTransaction
from scheduling.sharing.periods import Span, span_at
from scheduling.sharing.rates import MILLION
from tests.quotas.costs.test_ledger import HOUR, NOON, held, price_of_cpus

DAY = span_at("day", UTC, NOON.timestamp())
NEXT = span_at("day", UTC, DAY.end)
BORDER = datetime.fromtimestamp(DAY.end, UTC)


def settled(number, start, end, **fields):
    ledger.settle([(held(number, held_from=start, **fields), end)])


def spent(span):
    return {project: Decimal(amount) / MILLION for project, amount in money_spent(span).items()}


@pytest.mark.django_db
def test_what_ended_in_the_period_is_spent_by_project():
    price_of_cpus()
    settled(1, NOON, NOON + HOUR)
    settled(2, NOON, NOON + 2 * HOUR, project=4)
    settled(3, BORDER, BORDER + HOUR)
    assert spent(DAY) == {3: 2, 4: 4}
    assert spent(NEXT) == {3: 2}


@pytest.mark.django_db
def test_what_runs_over_the_border_is_spent_in_both_with_its_parts():
    price_of_cpus("1", since=NOON, until=BORDER - HOUR)
    price_of_cpus("2", since=BORDER - HOUR)
    settled(1, BORDER - 2 * HOUR, BORDER + HOUR)
    assert spent(DAY) == {3: 4 + 8}
    assert spent(NEXT) == {3: 8}


@pytest.mark.django_db
def test_what_is_given_back_is_not_spent_in_any_of_its_periods():
    price_of_cpus()
    settled(1, BORDER - HOUR, BORDER + HOUR)
    ledger.refund([1], BORDER + 20 * HOUR, "node_lost")
    assert spent(DAY) == spent(NEXT) == {3: 0}


class PartsAreTheWhole(TestCase):
    @settings(max_examples=30)
    @given(
        st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 300_000)), min_size=1, max_size=8),
        st.decimals("0.000001", "99", places=6),
    )
    def test_all_periods_together_are_the_ledger_to_the_last_digit(self, intervals, per_hour):
        price_of_cpus(str(per_hour))
        for number, (start, seconds) in enumerate(intervals):
            begin = NOON + timedelta(seconds=start)
            settled(number, begin, begin + timedelta(seconds=seconds))
        days = [Span(DAY.start + 86_400 * number, DAY.end + 86_400 * number) for number in range(8)]
        assert sum(spent(day).get(3, 0) for day in days) == sum(row.cost for row in LedgerTransaction.objects.all())
