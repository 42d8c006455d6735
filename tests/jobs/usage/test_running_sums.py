"""Sums that go along: the same as counting, whatever becomes of jobs, and folded without being changed."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs.models import DayCost, EndedJobs, Job
from jobs.usage import running_sums
from quotas.clock import database_now
from quotas.costs import ledger
from quotas.costs.ledger import HeldPlacement
from quotas.models import Price
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.sharing.prices import Holding
from tests import builders

NOW = datetime.now(UTC)


def counted(projects=None) -> Counter[tuple[int, str]]:
    jobs = Job.objects.filter(state__in=TERMINAL_STATES)
    if projects is not None:
        jobs = jobs.filter(project__in=projects)
    return Counter(jobs.values_list("queue", "state"))


def summed(projects=None) -> dict[tuple[int, str], int]:
    return {(queue, state): count for queue, state, count in running_sums.ended(projects)}


class EndedJobsTest(TestCase):
    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["delete", "move", "fold", *JobState])), max_size=12))
    def test_whatever_happens_to_jobs_the_sums_are_what_counting_finds(self, happenings):
        projects = [builders.project(), builders.project()]
        ids = [builders.job(project=projects[number % 2]).pk for number in range(4)]
        for number, what in happenings:
            jobs = Job.objects.filter(pk=ids[number])
            if what == "delete":
                jobs.delete()
            elif what == "move":
                jobs.update(project=projects[1])
            elif what == "fold":
                running_sums.fold()
            else:
                jobs.update(state=what, finished_at=NOW if what in TERMINAL_STATES else None)
        assert summed() == counted()
        mine = [projects[0].pk]
        assert summed(mine) == counted(mine)


@pytest.mark.django_db
def test_folding_leaves_one_row_for_what_belongs_together_and_none_for_nothing():
    project = builders.project()
    for _ in range(3):
        builders.job(project=project, state="completed")
    builders.job(state="failed").delete()
    running_sums.fold()
    assert list(EndedJobs.objects.values_list("project", "state", "jobs")) == [(project.pk, "completed", 3)]


def settle(placement: int, project: int, end: datetime) -> None:
    """An hour of 4 CPUs, for 2."""
    known: dict[str, Any] = {"job": placement, "job_name": "train", "attempt": 1, "project_slug": "p", "node": "n1"}
    began, holding = end - timedelta(hours=1), Holding(cpus=4, node="n1")
    held = HeldPlacement(placement, **known, project=project, held_from=began, holding=holding)
    ledger.hold([(held, Decimal(10))])
    ledger.settle([(held, end)])


@pytest.mark.django_db
def test_what_was_booked_counts_on_its_day_and_in_its_month_for_those_whose_it_is():
    now = database_now()
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    Price.objects.create(target="cpu", per_hour=Decimal("0.5"), currency="EUR", valid_from=first - timedelta(days=2))
    settle(1, 1, now)
    settle(2, 1, now)
    ledger.refund([2], now, "node_lost")
    settle(3, 2, now)
    settle(4, 1, first - timedelta(seconds=1))
    assert running_sums.booked([1]) == (Decimal(2), Decimal(2))
    running_sums.fold()
    assert running_sums.booked(None) == (Decimal(4), Decimal(4))
    assert DayCost.objects.count() == 3
    assert running_sums.booked([]) == (Decimal(0), Decimal(0))
