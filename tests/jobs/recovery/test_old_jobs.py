"""Jobs that ended longer ago than their project keeps them are deleted, whole; what they used and cost stays."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from jobs.control.forgotten_jobs import forgotten
from jobs.control.job_retention import rules
from jobs.costs import settlement
from jobs.models import Attempt, ForgottenJob, Job, JobEvent, JobRetention, Placement, UsageHour, UsageRollup
from jobs.recovery import old_jobs
from jobs.usage import rollup
from quotas.models import Budget, LedgerTransaction, Price
from tests import builders
from tests.jobs.usage.yard import ran, roll_up
from tests.racing import beside

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def thirty_days(settings):
    settings.JOB_RETENTION_DAYS = 30


def ended(days_ago, **fields):
    """A job that ended so long ago, with an attempt and an event, and its hours on record."""
    job = builders.job(state="completed", finished_at=timezone.now() - timedelta(days=days_ago), **fields)
    builders.attempt(job=job, ended_at=job.finished_at)
    builders.event(job=job)
    return job


def left():
    UsageRollup.objects.update(rolled_up_until=rollup.floor_to_hour(timezone.now()))
    old_jobs.prune()
    return set(Job.objects.all())


def test_what_is_too_old_goes_with_all_that_is_its_own():
    old, fresh = ended(31), ended(29)
    assert left() == {fresh}
    assert not Attempt.objects.filter(job_id=old.pk).exists()
    assert JobEvent.objects.values_list("job", flat=True).get() == fresh.pk
    assert UsageRollup.objects.get().jobs_deleted == 1


def test_without_a_rule_everything_is_kept(settings):
    settings.JOB_RETENTION_DAYS = 0
    old = ended(10_000)
    assert left() == {old}


def test_the_nearest_rule_above_holds():
    org = builders.project(slug="org")
    team, other = builders.project(slug="team", parent=org), builders.project(slug="other", parent=org)
    JobRetention.objects.create(project=org, days=5)
    JobRetention.objects.create(project=other, days=None)
    kept = [ended(4, project=team), ended(900, project=other), ended(20)]
    ended(6, project=team), ended(6, project=org)
    assert left() == set(kept)
    assert (rules()[team.pk].of, rules()[other.pk].days) == (org.pk, None)


def test_what_a_waiting_job_needs_is_kept_and_so_is_what_has_not_ended():
    needed = ended(40)
    waiting = builders.job(depends_on=[needed])
    over = ended(40, depends_on=[ended(40)])
    assert left() == {needed, waiting}
    assert over not in Job.objects.all()


def test_nothing_goes_before_its_hours_are_on_record():
    old = ended(31)
    assert old_jobs.prune() == 0
    UsageRollup.objects.update(rolled_up_until=old.finished_at - timedelta(hours=1))
    assert old_jobs.prune() == 0
    UsageRollup.objects.update(rolled_up_until=old.finished_at + timedelta(hours=1))
    assert old_jobs.prune() == 1


def test_what_a_budget_of_gpu_hours_still_reckons_with_is_kept_until_its_period_is_over():
    """Deleted, the hours could be spent again: they are read from the placements."""
    org = builders.project(slug="org")
    JobRetention.objects.create(project=org, days=1)
    team, other = builders.project(slug="team", parent=org), builders.project(slug="other")
    now = timezone.now()
    budget = Budget.objects.create(
        project=org, unit="gpu_hours", amount=10, period="once",
        starts_at=now - timedelta(days=60), ends_at=now + timedelta(days=1),
    )  # fmt: skip
    reckoned = ended(50, project=team)
    ended(61, project=team), ended(50, project=other)
    assert left() == {reckoned}

    Budget.objects.filter(pk=budget.pk).update(ends_at=now)
    assert left() == set()


def test_nodes_are_told_which_jobs_are_gone_the_first_ended_first_and_of_none_that_is_there():
    last, first, fresh = ended(31), ended(50), ended(1)
    by_hand = ended(40)
    by_hand.delete()
    assert forgotten([last.pk, first.pk]) == []
    assert left() == {fresh}

    assert forgotten([last.pk, fresh.pk, by_hand.pk, first.pk]) == [first.pk, last.pk]

    builders.job(pk=first.pk)  # as after a restore of an older backup
    assert forgotten([first.pk, last.pk]) == [last.pk]


def test_what_no_node_will_ask_for_any_more_is_dropped():
    old = ended(31)
    assert left() == set()
    ForgottenJob.objects.update(deleted_at=timezone.now() - timedelta(days=366))
    assert left() == set()
    assert forgotten([old.pk]) == []


def test_many_go_in_small_transactions(monkeypatch):
    monkeypatch.setattr(old_jobs, "AT_ONCE", 2)
    for _ in range(5):
        ended(31)
    assert left() == set()


def test_usage_and_the_ledger_outlive_the_jobs():
    Price.objects.create(target="cpu", per_hour=Decimal(1), currency="EUR", valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    ran(0, 2)
    settlement.settle({placement.pk: placement.closed_at or timezone.now() for placement in Placement.objects.all()})
    roll_up()
    held = UsageHour.objects.count()
    assert left() == set()
    assert (UsageHour.objects.count(), LedgerTransaction.objects.filter(kind="settle").count()) == (held, 1)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_somebody_is_at_work_on_is_left_to_the_next_time():
    old = ended(31)
    UsageRollup.objects.update(rolled_up_until=rollup.floor_to_hour(timezone.now()))
    assert beside(lambda: Job.objects.select_for_update().get(pk=old.pk), old_jobs.prune) == 0
    assert old_jobs.prune() == 1
