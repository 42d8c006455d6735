"""What was spent long ago is summed up once in a while, and what has come since is never missed."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.planning.budgets import KEPT_SECONDS, LATE_SECONDS, PastSpending
from quotas.budgets.spent import money_spent
from quotas.costs import ledger
from scheduling.sharing.periods import Span
from tests.quotas.budgets.test_spent import settled
from tests.quotas.costs.test_ledger import HOUR, NOON, price_of_cpus

pytestmark = pytest.mark.django_db
SPAN = Span((NOON - 5 * HOUR).timestamp(), (NOON + 20 * HOUR).timestamp())


def test_it_is_what_the_ledger_says_whenever_it_is_asked():
    price_of_cpus(since=NOON - 9 * HOUR)
    past, number = PastSpending(), 0
    for minute in range(0, 90, 7):
        now = NOON + timedelta(minutes=minute)
        for began in (now - HOUR, now - 7 * HOUR):  # the second runs over the beginning of the period
            number += 1
            settled(number, began, now)
        if number % 3 == 0:
            ledger.refund([number - 2], now, "node_lost")
        assert past.spent("money", SPAN, now.timestamp()) == money_spent(SPAN)
    assert sum(money_spent(SPAN).values()) > 0


def test_what_is_long_over_is_not_summed_up_again(django_assert_num_queries):
    price_of_cpus(since=NOON - 9 * HOUR)
    settled(1, NOON - HOUR, NOON)
    past, now = PastSpending(), NOON.timestamp() + LATE_SECONDS + KEPT_SECONDS
    before = past.spent("money", SPAN, now)
    with django_assert_num_queries(3):
        assert past.spent("money", SPAN, now) == before == {3: 2 * 10**6}


def test_a_period_that_has_just_begun_is_read_whole():
    price_of_cpus(since=NOON - 9 * HOUR)
    settled(1, NOON - HOUR, NOON)
    young = Span((NOON - timedelta(minutes=5)).timestamp(), SPAN.end)
    assert PastSpending().spent("money", young, NOON.timestamp()) == money_spent(young)
    assert datetime.fromtimestamp(young.start, UTC) < NOON
    assert money_spent(young) == {3: 166_667}
