"""What jobs cost in a month: sums that the database keeps, and a report that says what the ledger says, with them or without."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Q, Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from quotas.costs import ledger, reports
from quotas.costs.job_months import job_months
from quotas.costs.ledger import HeldPlacement
from quotas.costs.reports import GroupBy, Scope, every_group, report
from quotas.models import JobMonth, LedgerTransaction, Price
from scheduling.sharing.prices import Holding
from tests.racing import race

MAY, JUNE, JULY = (datetime(2030, month, 1, tzinfo=UTC) for month in (5, 6, 7))
HOUR = timedelta(hours=1)


def price():
    Price.objects.create(target="cpu", per_hour=Decimal("0.5"), currency="EUR", valid_from=MAY - 24 * HOUR)


def held(placement, job, begun, **fields):
    known = {
        "job_name": "train",
        "attempt": 1,
        "project": 3,
        "project_slug": "vision",
        "node": "n1",
        "user_name": "ada",
    }
    return HeldPlacement(placement, job, held_from=begun, holding=Holding(cpus=4, node="n1"), **{**known, **fields})


def settle(placement, job, end, hours=1, **fields):
    ledger.settle([(held(placement, job, end - hours * HOUR, **fields), end)])


def asked(since=MAY, until=JUNE, scope=None, limit=10):
    return report(scope or Scope(), since=since, until=until, group_by=GroupBy.JOB, limit=limit)


def is_read_from_sums(since, until):
    total = LedgerTransaction.objects.exclude(kind="hold").filter(at__gte=since, at__lt=until).aggregate(**reports.SUMS)
    return job_months(lambda rows: rows, since, until, tuple(total.values())) is not None


events = st.lists(
    st.tuples(
        st.sampled_from(["settle", "refund"]),
        st.integers(1, 4),
        st.sampled_from([MAY, MAY + HOUR, JUNE - HOUR, JUNE - timedelta(microseconds=1), JUNE, JUNE + HOUR]),
        st.integers(1, 5),
    ),
    max_size=12,
)


class SumsProperties(TestCase):
    @settings(max_examples=40)
    @given(events)
    def test_each_job_has_a_sum_a_month_and_a_report_by_them_is_that_of_the_ledger(self, events):
        price()
        for number, (kind, job, at, hours) in enumerate(events):
            if kind == "settle":
                settle(number, job, at, hours)
            else:
                ledger.refund([number - 1], at, "node_lost")
        for since, until in (
            (MAY, JUNE),
            (JUNE, JULY),
            (JUNE, JUNE + 2 * HOUR),
            (MAY, JUNE - HOUR),
            (MAY + HOUR, JUNE),
        ):
            booked = LedgerTransaction.objects.exclude(kind="hold").filter(at__gte=since, at__lt=until).order_by()
            by_job = dict(booked.values_list("job").annotate(Sum("cost")))
            found = asked(since, until, limit=2)
            dearest = sorted(by_job.items(), key=lambda one: (-one[1], one[0]))
            assert [(int(one.key), one.cost) for one in found.groups] == dearest[:2]
            assert (found.total.cost, found.left_off) == (sum(by_job.values()), max(0, len(by_job) - 2))
            whole = every_group(Scope(), since=since, until=until, group_by=GroupBy.JOB)
            assert [(int(one.key), one.cost) for one in whole] == dearest
        assert is_read_from_sums(MAY, JUNE)
        assert is_read_from_sums(JUNE, JULY)


@pytest.mark.django_db
def test_months_of_which_no_sums_were_kept_are_read_from_the_ledger():
    price()
    for number in (1, 2, 3):
        settle(number, number, MAY + number * HOUR, number)
    JobMonth.objects.filter(job=2).delete()
    assert not is_read_from_sums(MAY, JUNE)
    assert [(one.key, one.cost) for one in asked().groups] == [("3", 6), ("2", 4), ("1", 2)]


@pytest.mark.django_db
def test_a_part_of_a_month_is_no_month():
    price()
    for number in (1, 2):
        settle(number, number, MAY + 48 * number * HOUR)
    assert is_read_from_sums(MAY, MAY + 97 * HOUR)
    assert not is_read_from_sums(MAY, MAY + 96 * HOUR)
    assert not is_read_from_sums(MAY + HOUR, JUNE)
    JobMonth.objects.filter(job=1).delete()  # as much as the part, and not the same
    assert not is_read_from_sums(MAY, MAY + 96 * HOUR)
    assert [one.key for one in asked(until=MAY + 96 * HOUR).groups] == ["1"]


@pytest.mark.django_db
@pytest.mark.parametrize("scope", [Scope({3}), Scope(user="ada"), Scope(batch="b1"), Scope(job=1)])
def test_a_narrower_report_is_read_from_the_sums_too(scope, django_assert_num_queries):
    price()
    settle(1, 1, MAY + HOUR, batch="b1")
    settle(2, 2, MAY + HOUR, project=4, user_name="bob")
    with django_assert_num_queries(3):  # all together, the sums, and a page of them
        assert [(one.key, one.cost) for one in asked(scope=scope).groups] == [("1", 2)]


@pytest.mark.django_db(transaction=True)
def test_of_two_that_book_for_a_job_at_a_time_none_is_lost():
    price()

    def book(placement):
        def step():
            with transaction.atomic():
                settle(placement, 7, MAY + HOUR)

        return step

    race(book(1), book(2))

    assert JobMonth.objects.filter(~Q(settled=0)).values_list("job", "paid", "placements").get() == (7, 4, 2)
