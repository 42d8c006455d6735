"""The tree of projects changes while jobs run: quotas and budgets hold as they are now, and nothing that runs is stopped."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from jobs.costs import settlement
from jobs.models import Job, Placement
from jobs.planning.cycle import run_cycle
from quotas.models import Budget, LedgerEntry, LedgerTransaction, Price
from tests import builders
from tests.rest import V1, client_of

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def study():
    """A study of team old, which runs on 3 of the old team's 4 GPUs; team new has 2."""
    builders.project(slug="new", quota={"gpus": 2})
    old = builders.project(slug="old", quota={"gpus": 4})
    study = builders.project(slug="study", parent=old)
    builders.running_job(project=study, gpu_indices=[0, 1, 2], max_runtime_seconds=7200, name="runs")
    builders.node(gpus=8)
    return study


def move(client, slug, parent):
    assert client.patch(f"{V1}/projects/{slug}", {"parent": parent}).status_code == 200


def state(job):
    return Job.objects.get(pk=job.pk).state


def quota(client, slug):
    return client.get(f"{V1}/queues/quota/{slug}").json()


def budget(client, slug):
    [found] = client.get(f"{V1}/projects/{slug}/budgets").json()["results"]
    return found


def costs(client, slug):
    groups = client.get(f"{V1}/costs", {"project": slug}).json()["groups"]
    return {one["key"]: float(one["cost"]) for one in groups}


def test_a_project_that_moves_takes_what_it_holds_along_at_once_and_nothing_is_stopped(staff, study):
    beside = builders.job(project=study.parent, gpus=4)
    run_cycle()
    assert state(beside) == "pending"

    move(staff, "study", "new")
    run_cycle()

    assert state(beside) == "queued"  # what the old team has is free
    runs = Job.objects.get(name="runs")
    assert (runs.state, runs.desired) == ("running", "")
    shown = quota(staff, "new")
    assert (shown["usage"]["gpus"], shown["available"]["gpus"], shown["gpu_usage_percent"]) == (3, 0, 150.0)


def test_what_waits_in_it_waits_for_the_new_quota(staff, study):
    move(staff, "study", "new")
    waiting = builders.job(project=study, gpus=1)
    run_cycle()

    assert state(waiting) == "pending"
    [reason] = Job.objects.get(pk=waiting.pk).reasons
    assert reason["sentence"] == "The quota of project new allows 2 GPUs (3 in use); this job needs 1 GPU."
    assert reason["held_by"] == [Job.objects.get(name="runs").pk]


def test_budgets_of_the_new_chain_count_it_at_once_and_those_of_the_old_one_no_more(staff, study):
    for slug in ("old", "new"):
        body = {"amount": "10", "unit": "gpu_hours", "period": "once", "hard": True}
        ends = (timezone.now() + 99 * HOUR).isoformat()
        assert staff.post(f"{V1}/projects/{slug}/budgets", body | {"ends_at": ends}).status_code == 201
    Budget.objects.update(starts_at=timezone.now() - 9 * HOUR)
    assert Decimal(budget(staff, "old")["committed"]) == pytest.approx(Decimal(6), abs=Decimal("0.1"))

    move(staff, "study", "new")

    assert Decimal(budget(staff, "old")["committed"]) == 0
    assert Decimal(budget(staff, "new")["committed"]) == pytest.approx(Decimal(6), abs=Decimal("0.1"))


def test_the_ledger_is_as_it_was_and_balances_after_the_end(staff, study):
    Price.objects.create(target="gpu_model", per_hour=1, currency="EUR", valid_from=timezone.now() - 9 * HOUR)
    held = list(Placement.objects.values_list("pk", flat=True))
    Placement.objects.update(created_at=timezone.now() - HOUR)
    settlement.hold(held)
    before = list(LedgerTransaction.objects.order_by("pk").values())

    move(staff, "study", "new")
    settlement.settle(dict.fromkeys(held, timezone.now()))

    assert list(LedgerTransaction.objects.order_by("pk").values())[: len(before)] == before
    accounts = dict.fromkeys(LedgerEntry.objects.values_list("account", flat=True), Decimal(0))
    for entry in LedgerEntry.objects.all():
        accounts[entry.account] += entry.amount
    assert accounts["hold"] == 0
    assert round(accounts["revenue"]) == 3
    assert costs(staff, "old") == {}
    assert costs(staff, "new") == pytest.approx({"study": 3}, rel=0.01)


def test_a_limit_that_is_lowered_below_what_is_held_stops_nothing_and_starts_nothing(staff, study):
    assert staff.patch(f"{V1}/queues/quota/old", {"limits": {"gpus": 1}}).status_code == 200
    small, without = builders.job(project=study, gpus=1), builders.job(project=study)
    run_cycle()

    assert state(Job.objects.get(name="runs")) == "running"
    assert (state(small), state(without)) == ("pending", "queued")
    shown = quota(staff, "old")
    assert (shown["usage"]["gpus"], shown["available"]["gpus"], shown["gpu_usage_percent"]) == (3, 0, 300.0)


def test_who_is_called_otherwise_keeps_his_jobs_and_his_quota(staff, study):
    assert staff.patch(f"{V1}/projects/study", {"name": "The study"}).json()["name"] == "The study"
    assert staff.patch(f"{V1}/projects/study", {"slug": "other"}).status_code == 400
    assert quota(staff, "study")["usage"]["gpus"] == 3
