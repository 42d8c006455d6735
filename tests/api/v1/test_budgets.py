"""Budgets over REST: who may set what, what is refused by which field, and a job's money from its start to the next period."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.models import Attempt, Job, Placement
from jobs.planning import cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.budgets import setting
from quotas.models import Budget, Price
from scheduling.lifecycle import EndReason
from tests import builders
from tests.racing import race
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAILY = {"unit": "gpu_hours", "amount": "10", "period": "day", "hard": True}


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def tree():
    acme = builders.project(slug="acme")
    return acme, builders.project(slug="vision", parent=acme)


def budget(project, **fields):
    known = {"unit": "gpu_hours", "period": "day", "amount": Decimal(10), "hard": True, **fields}
    known.setdefault("currency", "EUR" if known["unit"] == "money" else "")
    return Budget.objects.create(project=project, **known)


def submit(client, **fields):
    known = {"name": "train", "project": "vision", "command": ["true"], "resources": {"gpus": 1}, **fields}
    return client.post(f"{V1}/jobs", known)


def of(client, project="vision"):
    [found] = rows(client.get(f"{V1}/projects/{project}/budgets"))
    return found


def end(job, reason=EndReason.COMPLETED, hours=1.0):
    """The job runs and ends, as if it had begun so long ago; the ledger, which refuses that, is told so by its owner."""
    began = timezone.now() - hours * HOUR
    Job.objects.filter(pk=job).update(state="running")
    Attempt.objects.filter(job=job).update(created_at=began, started_at=began)
    open_ones = Placement.objects.filter(attempt__job=job, closed_at__isnull=True).select_related("attempt")
    open_ones.update(created_at=began, state="running")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE quotas_ledgertransaction SET held_from = %s, at = %s WHERE job = %s", [began, began, job]
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason) for row in open_ones])


def reason_of(client, number):
    [*_, last] = client.get(f"{V1}/jobs/{number}").json()["reasons"]
    return last


def test_a_budget_is_set_changed_and_removed(staff, tree):
    made = staff.post(f"{V1}/projects/vision/budgets", DAILY | {"zone": "Europe/Berlin"})
    assert made.status_code == 201, made.content
    assert made.json() | {"created_at": "", "since": "", "until": "", "id": 0} == {
        "id": 0, "project": "vision", "unit": "gpu_hours", "amount": "10.000000", "currency": "", "period": "day",
        "zone": "Europe/Berlin", "starts_at": None, "ends_at": None, "hard": True, "since": "", "until": "",
        "spent": "0.000000", "committed": "0.000000", "accrued": "0.000000", "forecast": "0.000000",
        "sentence": "0.00 spent, 0.00 committed, 0.00 expected by the end of the day, of 10.00 GPU-hours, hard: 0 % taken",
        "available": "10.000000", "alerts": [], "webhook_host": "", "created_by": made.json()["created_by"], "created_at": "",
    }  # fmt: skip
    address = f"{V1}/budgets/{made.json()['id']}"
    assert staff.patch(address, {"amount": "4.5"}).json()["amount"] == "4.500000"
    assert [one["id"] for one in rows(staff.get(f"{V1}/budgets"))] == [made.json()["id"]]
    assert staff.delete(address).status_code == 204
    assert staff.get(address).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": "-1"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "0.1234567"}, "amount"),
        ({"amount": "99999999999"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"unit": "hours"}, "unit"),
        ({"unit": "money", "currency": "USD"}, "currency"),
        ({"currency": "EUR"}, "currency"),
        ({"period": "year"}, "period"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"starts_at": "2099-01-01T00:00:00Z"}, "starts_at"),
        ({"period": "once"}, "ends_at"),
        ({"period": "once", "ends_at": "2020-01-01T00:00:00Z", "starts_at": "2019-01-01T00:00:00Z"}, "ends_at"),
        ({"period": "once", "ends_at": "2098-01-01T00:00:00Z", "starts_at": "2099-01-01T00:00:00Z"}, "ends_at"),
        ({"period": "once", "ends_at": "2099-01-01"}, "ends_at"),
        ({"hard": "perhaps"}, "hard"),
        ({"amonut": "1"}, "amonut"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(staff, tree, fields, field):
    answer = staff.post(f"{V1}/projects/vision/budgets", DAILY | fields)
    assert answer.status_code == 400
    assert field in faults(answer)
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": Decimal(-1)}, {"currency": "EUR"}, {"unit": "money", "currency": ""},
        {"period": "once"}, {"starts_at": timezone.now()},
    ],
)  # fmt: skip
def test_the_database_refuses_nonsense_itself(tree, fields):
    with transaction.atomic(), pytest.raises(IntegrityError):
        budget(tree[1], **fields)


def test_a_hard_budget_is_granted_from_above_a_soft_one_is_ones_own(tree):
    acme, vision = tree
    above, own, member, stranger = (builders.user() for _ in range(4))
    builders.member(project=acme, user=above, role="admin")
    builders.member(project=vision, user=own, role="admin")
    builders.member(project=vision, user=member)
    address = f"{V1}/projects/vision/budgets"
    assert client_of(above).post(address, DAILY).status_code == 201
    assert client_of(own).post(address, DAILY).status_code == 403
    soft = client_of(own).post(address, DAILY | {"hard": False})
    assert soft.status_code == 201
    assert client_of(own).patch(f"{V1}/budgets/{soft.json()['id']}", {"hard": True}).status_code == 403
    hard = Budget.objects.get(hard=True)
    assert client_of(own).patch(f"{V1}/budgets/{hard.pk}", {"hard": False}).status_code == 403
    assert client_of(own).delete(f"{V1}/budgets/{hard.pk}").status_code == 403
    assert client_of(member).post(address, DAILY | {"hard": False}).status_code == 403
    assert len(rows(client_of(member).get(address))) == 2
    assert client_of(stranger).get(address).status_code == 404
    assert client_of(stranger).get(f"{V1}/budgets/{hard.pk}").status_code == 404
    assert rows(client_of(stranger).get(f"{V1}/budgets")) == []


def test_a_job_that_asks_for_more_than_a_whole_period_is_refused_naming_the_level(staff, tree):
    builders.node(gpus=8)
    budget(tree[0], amount=Decimal(10))
    budget(tree[1], amount=Decimal(100))
    refused = submit(staff, max_runtime_seconds=11 * 3600)
    assert refused.status_code == 400
    assert "The budget of project acme allows 10 GPU-hours a day" in faults(refused)["max_runtime_seconds"]
    assert "assumed of a job without one" in faults(submit(staff))["max_runtime_seconds"]
    assert submit(staff, max_runtime_seconds=10 * 3600).status_code == 201


def test_a_whole_period_is_reckoned_by_the_prices_that_hold_not_by_those_of_its_past(staff, tree):
    builders.node(gpus=8)
    Price.objects.create(target="gpu_model", per_hour=1, currency="EUR", valid_from=timezone.now())
    budget(tree[0], unit="money", amount=Decimal(3))
    assert "allows 3.00 EUR a day" in faults(submit(staff, max_runtime_seconds=4 * 3600))["max_runtime_seconds"]
    assert submit(staff, max_runtime_seconds=3 * 3600).status_code == 201


def test_from_the_start_to_the_settlement_the_refund_and_the_next_period(staff, tree):
    """Two jobs of 6 GPU-hours and a budget of 10: the second starts as soon as the first has given back what it did not use."""
    builders.node(gpus=8)
    Price.objects.create(target="gpu_model", per_hour=1, currency="EUR", valid_from=timezone.now() - 9 * HOUR)
    budget(
        tree[0], unit="money", period="once", starts_at=timezone.now() - 9 * HOUR, ends_at=timezone.now() + 99 * HOUR
    )
    wanted = {"resources": {"gpus": 2}, "max_runtime_seconds": 3 * 3600}
    first, second, third = (submit(staff, **wanted).json()["id"] for _ in range(3))

    cycle.run_cycle()
    assert list(Job.objects.exclude(state="pending").values_list("pk", flat=True)) == [first]
    told = of(staff, "acme")
    assert (told["spent"], told["committed"], told["available"]) == ("0.000000", "6.000000", "4.000000")
    why = reason_of(staff, second)
    assert why["code"] == "budget"
    assert why["budget"]["needed"] == "6"
    assert "The budget of project acme allows 10.00 EUR" in why["sentence"]

    end(first, hours=0.5)
    cycle.run_cycle()
    told = of(staff, "acme")
    assert (told["spent"][:4], told["committed"]) == ("1.00", "6.000000")

    end(second, EndReason.NODE_LOST, hours=2)
    Job.objects.filter(pk=second).update(held_at=timezone.now(), held_by="ops")
    assert of(staff, "acme")["spent"][:4] == "1.00"  # what the platform failed is given back

    setting.change_budget(Budget.objects.get(), builders.user(staff=True), amount=Decimal(6))
    cycle.run_cycle()
    assert Job.objects.get(pk=third).state == "pending"
    Budget.objects.update(starts_at=timezone.now(), ends_at=F("ends_at") + HOUR)  # as the next period begins
    cycle.run_cycle()
    assert Job.objects.get(pk=third).state == "queued"


def test_gpu_hours_need_no_price_and_leave_out_what_the_platform_failed(staff, tree):
    builders.node(gpus=8)
    budget(tree[1], period="once", starts_at=timezone.now() - 9 * HOUR, ends_at=timezone.now() + 99 * HOUR)
    done, lost = (submit(staff, max_runtime_seconds=3600, resources={"gpus": 2}).json()["id"] for _ in range(2))
    cycle.run_cycle()
    end(done, hours=1)
    end(lost, EndReason.NODE_LOST, hours=1)
    assert of(staff)["spent"][:5] == "2.000"


def test_what_a_project_below_spends_counts_in_every_budget_above(staff, tree):
    builders.node(gpus=8)
    for project in tree:
        budget(project, amount=Decimal(5))
    submit(staff, max_runtime_seconds=3 * 3600)
    cycle.run_cycle()
    for project in tree:
        assert Decimal(of(staff, project.slug)["committed"]) <= 3
        assert of(staff, project.slug)["forecast"] != "0.000000"


@pytest.mark.django_db(transaction=True)
def test_a_budget_that_is_lowered_waits_for_the_plan_that_was_made_by_it(tree):
    """Either the plan is made by the lower budget, or it is committed before that is answered."""
    builders.node(gpus=8)
    known = budget(tree[1])
    builders.job(project=tree[1], gpus=1, max_runtime_seconds=3600)
    actor = builders.user(staff=True)

    def lower():
        setting.change_budget(Budget.objects.get(pk=known.pk), actor, amount=Decimal(0))
        return Job.objects.exclude(state="pending").count()

    placed_when_lowered = race(cycle.run_cycle, lower)
    assert Job.objects.exclude(state="pending").count() == placed_when_lowered


@pytest.mark.parametrize("budgets", [1, 4])
def test_the_list_of_budgets_takes_as_many_statements_however_many_there_are(
    staff, tree, budgets, django_assert_max_num_queries
):
    for _ in range(budgets):
        budget(tree[1])
    with django_assert_max_num_queries(45):
        staff.get(f"{V1}/projects/vision/budgets")
    assert connection.vendor == "postgresql"
