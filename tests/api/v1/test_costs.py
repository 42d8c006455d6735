"""Prices and costs over REST: what is refused, who sees what, and what a job costs from its submission to its end."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F, Sum
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.costs import settlement
from jobs.costs.audit import audit
from jobs.models import Job, Placement
from jobs.planning import cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.costs import reports
from quotas.models import LedgerEntry, LedgerTransaction, Price
from scheduling.lifecycle import EndReason
from tests import builders
from tests.rest import V1, client_of, faults, rows
from workers.models import Node

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def price(**fields):
    known = {"target": "cpu", "per_hour": "0.50", **fields}
    return client_of(builders.user(staff=True)).post(f"{V1}/prices", known)


def valid_since_long():
    """Prices are set for now on: here they were set long ago."""
    Price.objects.update(valid_from=F("valid_from") - timedelta(days=3))


def running_job(hours=1, **fields):
    """A job whose placement began so long ago, as the planner begins one."""
    job = builders.running_job(**{"cpus": 4, "node": Node.objects.first() or builders.node(), **fields})
    Placement.objects.filter(attempt__job=job).update(created_at=timezone.now() - hours * HOUR)
    settlement.hold(list(Placement.objects.filter(attempt__job=job).values_list("pk", flat=True)))
    return job


def end(job, reason=EndReason.COMPLETED, **fields):
    rows = Placement.objects.filter(attempt__job=job, closed_at__isnull=True).select_related("attempt")
    finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason, **fields) for row in rows])


def job_of(client, job):
    return client.get(f"{V1}/jobs/{job.pk}").json()


def test_a_price_is_set_listed_and_ended(staff):
    made = price(target="gpu_model", name="H100", per_hour="2.5", valid_to="2099-01-01T00:00:00Z")
    assert made.status_code == 201, made.content
    assert made.json()["per_hour"] == "2.500000"
    assert made.json()["currency"] == "EUR"

    ended = staff.patch(f"{V1}/prices/{made.json()['id']}", {})

    assert ended.json()["valid_to"] < "2099"
    assert [one["id"] for one in rows(staff.get(f"{V1}/prices"))] == [made.json()["id"]]
    assert rows(staff.get(f"{V1}/prices", {"valid_at": "2098-01-01T00:00:00Z"})) == []
    assert staff.patch(f"{V1}/prices/{made.json()['id']}", {}).status_code == 409


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"per_hour": "-1"}, "per_hour"),
        ({"per_hour": "NaN"}, "per_hour"),
        ({"per_hour": "0.1234567"}, "per_hour"),
        ({"per_hour": "12345678"}, "per_hour"),
        ({"per_hour": True}, "per_hour"),
        ({"currency": "USD"}, "currency"),
        ({"target": "node"}, "name"),
        ({"target": "disk"}, "target"),
        ({"name": "n1"}, "name"),
        ({"valid_from": "2020-01-01T00:00:00Z"}, "valid_from"),
        ({"valid_to": "2020-01-01T00:00:00Z"}, "valid_to"),
        ({"valid_from": "2099-01-01T00:00:00"}, "valid_from"),
        ({"capacity": "borrowed"}, "capacity"),
    ],
)
def test_a_price_that_cannot_be_is_refused_by_its_field(fields, field):
    answer = price(**fields)
    assert answer.status_code == 400
    assert field in faults(answer)


def test_two_prices_of_the_same_thing_at_a_time_are_refused():
    assert price(target="gpu_model", name="H100").status_code == 201
    assert "end that one first" in faults(price(target="gpu_model", name="h100"))["valid_from"]
    assert price(target="gpu_model", name="H100", capacity="spot").status_code == 201


def test_only_staff_set_prices_and_nobody_reads_them_unasked():
    assert client_of(builders.user()).post(f"{V1}/prices", {"target": "cpu", "per_hour": "1"}).status_code == 403
    assert client_of(builders.user()).get(f"{V1}/prices").status_code == 200
    assert client_of().get(f"{V1}/prices").status_code == 401
    assert client_of().get(f"{V1}/costs").status_code == 401


def test_only_a_price_that_has_not_begun_is_forgotten(staff):
    begun, ahead = price().json(), price(target="memory_gb", valid_from="2099-01-01T00:00:00Z").json()
    assert staff.delete(f"{V1}/prices/{begun['id']}").status_code == 409
    assert staff.delete(f"{V1}/prices/{ahead['id']}").status_code == 204


def test_without_prices_nothing_costs_anything_and_nothing_is_written(staff):
    builders.node(), builders.job(cpus=4)
    cycle.run_cycle()
    job = Job.objects.get()
    end(job, EndReason.CANCELLED)

    shown = job_of(staff, job)
    assert (shown["estimated_cost"], shown["cost_basis"], shown["actual_cost"]) == (None, "", None)
    assert not LedgerTransaction.objects.exists()


def test_a_job_is_estimated_when_it_is_submitted_and_set_aside_when_it_is_placed(staff):
    price(), builders.node(), builders.project(slug="vision")
    body = {"project": "vision", "command": ["true"], "resources": {"cpus": 4}, "max_runtime_seconds": 7200}
    quoted = staff.post(f"{V1}/jobs/quote", body).json()
    made = staff.post(f"{V1}/jobs", body).json()
    assert (quoted["estimated_cost"], quoted["cost_basis"]) == (4, "limit")
    assert (made["estimated_cost"], made["cost_basis"], made["actual_cost"]) == (4, "limit", None)
    assert staff.get(f"{V1}/queues/default").json()["pending_cost"] == "4.0000"
    assert staff.get(f"{V1}/projects/vision/usage").json()["pending_cost"] == "4.0000"

    cycle.run_cycle()

    assert LedgerEntry.objects.get(account="hold").amount == 4
    assert staff.get(f"{V1}/queues/default").json()["pending_cost"] is None
    end(Job.objects.get(), EndReason.CANCELLED)
    assert [row.kind for row in LedgerTransaction.objects.all()] == ["hold", "settle"]
    assert audit().drifts == []


def test_a_job_without_a_known_end_says_what_an_hour_costs(staff):
    price(), builders.project(slug="vision"), builders.node()
    made = staff.post(f"{V1}/jobs", {"project": "vision", "command": ["true"], "resources": {"cpus": 2}}).json()
    assert (made["estimated_cost"], made["cost_basis"]) == (1, "hour")
    assert staff.get(f"{V1}/queues/default").json()["pending_cost"] is None


def test_what_runs_has_cost_something_already_and_what_ended_is_settled(staff):
    price(), valid_since_long()
    job = running_job()
    assert job_of(staff, job)["actual_cost"] == pytest.approx(2, rel=0.01)
    assert Decimal(staff.get(f"{V1}/costs").json()["accrued"]) == pytest.approx(2, rel=0.01)

    end(job)

    [settled] = LedgerTransaction.objects.filter(kind="settle")
    assert job_of(staff, job)["actual_cost"] == float(settled.cost) == pytest.approx(2, rel=0.01)
    assert staff.get(f"{V1}/costs").json()["accrued"] == "0.000000"


def report(client, **query):
    answer = client.get(f"{V1}/costs", query)
    assert answer.status_code == 200, answer.content
    return {one["key"]: float(one["cost"]) for one in answer.json()["groups"]}


def test_a_report_sums_up_a_project_with_all_below_it_for_those_who_see_it(staff):
    price(), valid_since_long()
    top = builders.project(slug="top")
    team, other = builders.project(slug="team", parent=top), builders.project(slug="other")
    ada = builders.member(project=top, user=builders.user(username="ada"))
    for project, hours in ((top, 1), (team, 2), (other, 4)):
        end(running_job(hours, project=project, owner=ada))

    seen = client_of(ada)
    assert report(seen) == pytest.approx({"team": 4, "top": 2}, rel=0.01)
    assert report(seen, project="team") == pytest.approx({"team": 4}, rel=0.01)
    assert report(staff, group_by="user", project="top") == pytest.approx({"ada": 6}, rel=0.01)
    assert sum(report(staff, group_by="month").values()) == pytest.approx(14, rel=0.01)
    assert seen.get(f"{V1}/costs", {"project": "other"}).status_code == 404
    cut = staff.get(f"{V1}/costs", {"limit": "1"}).json()
    assert ([one["key"] for one in cut["groups"]], cut["left_off"]) == (["other"], 2)
    assert {**cut, "groups": [], "left_off": 0} | {"until": ""} == {
        **staff.get(f"{V1}/costs").json(),
        "groups": [],
        "until": "",
    }


def test_a_period_without_a_beginning_is_the_month_of_its_end(staff):
    answer = staff.get(f"{V1}/costs", {"until": "2030-06-01T00:00:00Z"}).json()
    assert (answer["since"], answer["groups"], answer["accrued"]) == ("2030-05-01T00:00:00Z", [], None)


def test_who_belongs_to_no_project_sees_no_costs():
    price(), valid_since_long()
    end(running_job())
    running_job()
    answer = client_of(builders.user()).get(f"{V1}/costs").json()
    assert (answer["groups"], answer["accrued"]) == ([], "0.000000")


def test_of_very_many_groups_the_sum_is_the_same(staff, monkeypatch):
    price(), valid_since_long()
    for hours in (1, 2):
        end(running_job(hours))
    [all_read, cut] = [
        {name: staff.get(f"{V1}/costs", {"limit": "1"}).json()[name] for name in ("groups", "left_off", "total")}
        for most in (50_000, 1)
        if monkeypatch.setattr(reports, "MOST_READ", most) is None
    ]
    assert all_read == cut
    assert cut["left_off"] == 1


def test_who_moves_or_renames_a_project_takes_its_costs_along(staff):
    price(), valid_since_long()
    old, new = builders.project(slug="old"), builders.project(slug="new")
    team = builders.project(slug="team", parent=old)
    job = running_job(project=team)
    type(team).objects.filter(pk=team.pk).update(parent=new, slug="crew")

    end(job)

    assert report(staff, project="old") == {}
    assert report(staff, project="new") == pytest.approx({"crew": 2}, rel=0.01)
    lines = LedgerEntry.objects.filter(account="hold").aggregate(left=Sum("amount"))
    assert lines == {"left": 0}


def test_the_ledger_outlives_its_jobs(staff):
    price(), valid_since_long()
    job = running_job(labels={"study": "lr"}, name="train")
    end(job)
    slug = job.project.slug
    Job.objects.all().delete()

    assert report(staff) == pytest.approx({slug: 2}, rel=0.01)
    assert LedgerTransaction.objects.filter(job_name="train", labels={"study": "lr"}).count() == 2
    assert audit().drifts == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"group_by": "colour"}, "group_by"),
        ({"since": "2030-01-02T00:00:00Z", "until": "2030-01-01T00:00:00Z"}, "until"),
        ({"since": "yesterday"}, "since"),
        ({"limit": "0"}, "limit"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_question_that_is_not_understood_is_refused_by_its_field(staff, query, field):
    assert field in faults(staff.get(f"{V1}/costs", query))


def test_no_cell_of_the_table_is_a_formula(staff):
    price(), valid_since_long()
    end(running_job(owner=builders.user(username="@SUM(A1)")))
    end(running_job(owner=builders.user(username="+ada")))
    answer = staff.get(f"{V1}/costs/export", {"group_by": "user"})

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    header, *lines = answer.getvalue().decode().splitlines()
    assert header == "user,settled,refunded,cost,placements,currency"
    assert sorted(line.split(",")[0] for line in lines) == ["'+ada", "'@SUM(A1)"]


def test_a_table_holds_all_groups_and_as_many_as_are_asked_for(staff, monkeypatch):
    price(), valid_since_long()
    for hours in (1, 2, 3):
        end(running_job(hours))
    monkeypatch.setattr("api.v1.costs.MOST_SHOWN", 1)
    monkeypatch.setattr(reports, "READ_AT_ONCE", 2)
    [whole, cut] = [
        staff.get(f"{V1}/costs/export", {"group_by": "job", **asked}).getvalue().decode().splitlines()[1:]
        for asked in ({}, {"limit": "2"})
    ]
    assert (len(whole), whole[:2]) == (3, cut)
    assert len(staff.get(f"{V1}/costs", {"group_by": "job"}).json()["groups"]) == 1


def test_jobs_of_one_call_are_summed_up_as_a_batch(staff):
    price(), builders.project(slug="vision"), builders.node()
    one = {"project": "vision", "command": ["true"]}
    batch = staff.post(f"{V1}/jobs/batch", {"jobs": [one, one]}).json()["batch"]
    assert set(Job.objects.values_list("batch", flat=True)) == {batch} != {""}
    assert staff.post(f"{V1}/jobs/batch", {"jobs": [one]}).json()["batch"] == ""
