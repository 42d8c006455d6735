"""POST /jobs/quote: what would become of a job, without submitting it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job, JobEvent
from quotas.models import Budget, Price
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return builders.user(username="ada")


@pytest.fixture
def project(ada):
    return builders.project(slug="vision", members=[ada])


@pytest.fixture
def node():
    return builders.node(name="n1", gpus=4)


def asked(user, **fields):
    body = {"project": "vision", "command": ["python", "train.py"], **fields}
    return client_of(user).post(f"{V1}/jobs/quote", body)


def quoted(user, **fields):
    response = asked(user, **fields)
    assert response.status_code == 200, response.content
    return response.json()


def test_a_job_for_which_there_is_room_would_start_now(ada, project, node):
    told = quoted(ada, resources={"gpus": 4})

    assert (told["starts_now"], told["nodes"], told["position"]) == (True, ["n1"], None)
    assert told["predicted_start"]["expected"] is not None
    assert told["estimated_cost"] is None


def test_a_job_that_would_wait_is_told_why_how_long_and_what_would_start_it(ada, project, node):
    builders.running_job(node=node, gpu_indices=[0, 1], max_runtime_seconds=600, project=project)

    told = quoted(ada, resources={"gpus": 3})

    assert [reason["code"] for reason in told["reasons"]] == ["resources"]
    assert told["predicted_start"]["soonest"] < told["predicted_start"]["latest"]
    assert [(one["field"], one["to"]) for one in told["changes"]] == [("resources.gpus", 2)]


def test_it_stands_behind_those_that_wait_at_its_priority(ada, project, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2, 3])
    for priority in (50, 90, 10):
        builders.job(gpus=4, priority=priority)

    assert quoted(ada, resources={"gpus": 4})["position"] == 3
    assert quoted(ada, resources={"gpus": 4}, priority="urgent")["position"] == 2


def test_a_workload_that_runs_so_many_at_once_keeps_it_and_what_would_start_it_is_offered(ada, project, node):
    sweep = builders.workload(project=project, name="sweep", owner=ada, max_running=1)
    builders.running_job(node=node, gpu_indices=[0], project=project, owner=ada, workload=sweep)

    told = quoted(ada, resources={"gpus": 1}, workload="sweep")

    assert (told["starts_now"], [reason["code"] for reason in told["reasons"]]) == (False, ["workload_limit"])
    [change] = told["changes"]
    assert (change["field"], change["from"], change["to"]) == ("workload.max_running", 1, 2)
    assert quoted(ada, resources={"gpus": 1})["starts_now"]


def test_a_workload_that_is_held_starts_nothing_and_a_new_one_limits_nothing(ada, project, node):
    builders.workload(project=project, name="sweep", owner=ada, wanted="held")

    told = quoted(ada, resources={"gpus": 1}, workload="sweep")

    assert (told["starts_now"], [reason["code"] for reason in told["reasons"]]) == (False, ["workload"])
    assert quoted(ada, resources={"gpus": 1}, workload="another")["starts_now"]


def test_nothing_is_written(ada, project, node):
    quoted(ada, resources={"gpus": 1}, submission_key="once")

    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()


def test_it_waits_for_what_it_would_depend_on(ada, project, node):
    runs = builders.running_job(node=node, project=project, max_runtime_seconds=60)
    failed = builders.job(project=project, state="failed")

    told = quoted(ada, depends_on=[runs.pk, failed.pk])

    assert [reason["code"] for reason in told["reasons"]] == ["dependency", "dependency_failed"]


SAID = ("position", "line_length", "starts_now", "nodes", "changes", "gives_way", "reservation")


@pytest.mark.parametrize("fields", [{"resources": {"gpus": 1}}, {"resources": {"gpus": 4}}, {"priority": "urgent"}])
def test_a_quote_is_what_the_submission_is_told(ada, project, node, fields):
    builders.running_job(node=node, gpu_indices=[0, 1], cpus=60, max_runtime_seconds=600, project=project)
    builders.job(gpus=4, project=project)
    body = {"project": "vision", "command": ["true"], **fields}

    told = asked(ada, **fields).json()
    job = client_of(ada).post(f"{V1}/jobs", body).json()
    later = client_of(ada).get(f"{V1}/jobs/{job['id']}/explain").json()

    assert {name: told[name] for name in SAID} == {name: later[name] for name in SAID}
    assert [one["sentence"] for one in told["reasons"]] == [one["sentence"] for one in later["reasons"]]


def test_a_quote_that_will_stop_others_says_whom(ada, project, node, settings):
    settings.PREEMPTION = ("priority",)
    settings.PREEMPTION_MIN_RUNTIME_SECONDS = 0
    low = builders.running_job(node=node, gpu_indices=[0, 1, 2, 3], priority=10, checkpointable=True, project=project)

    told = quoted(ada, resources={"gpus": 4}, priority="urgent")

    assert [(one["job"], one["strategy"]) for one in told["gives_way"]] == [(low.pk, "priority")]
    assert low.pk in {one["id"] for one in told["holders"]}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"resources": {"gpus": -1}}, "resources.gpus"),
        ({"resources": {"gpus": 9}}, "resources.gpus"),
        ({"queue": "nowhere"}, "queue"),
        ({"project": "nothing"}, "project"),
        ({"command": []}, "command"),
        ({"depends_on": [77]}, "depends_on"),
        ({"deadline": (timezone.now() - timedelta(days=1)).isoformat()}, "deadline"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_it_refuses_what_a_submission_would_refuse(ada, project, node, fields, field):
    response = asked(ada, **fields)

    assert response.status_code == 400
    assert field in faults(response)


def test_a_full_line_is_told_before_anybody_waits_in_it(ada):
    project = builders.project(slug="vision", members=[ada], quota={"waiting_jobs": 1})
    builders.job(project=project)

    assert "waiting" in faults(asked(ada))["project"]


def test_a_viewer_and_a_stranger_get_no_quote(project):
    viewer = builders.member(project=project, role="viewer")

    assert asked(viewer).status_code == 403
    assert asked(None).status_code == 401


def test_several_runs_are_told_what_they_cost_together_and_whether_an_amount_is_enough(ada, project, node):
    Price.objects.create(
        target="gpu_model", per_hour="0.40", currency="EUR", valid_from=timezone.now() - timedelta(hours=1)
    )
    five = {"resources": {"gpus": 1}, "max_runtime_seconds": 600, "estimated_runtime_seconds": 300, "count": 5}

    runs = quoted(ada, **five, at_most="0.20")["runs"]

    assert runs | {"budgets": []} == {
        "runs": 5, "estimated_cost": "0.166700", "most_cost": "0.333300", "at_most": "0.200000", "within_at_most": False,
        "expected_within_at_most": True, "within_budgets": True, "stopped_by": None, "budgets": [],
    }  # fmt: skip
    assert quoted(ada, **five, at_most="0.34")["runs"]["within_at_most"] is True
    one = {"project": "vision", "command": ["true"], "max_runtime_seconds": 3600, "resources": {"gpus": 1}}
    several = client_of(ada).post(f"{V1}/jobs/quote", {"jobs": [one, one | {"name": "other"}], "at_most": 1}).json()
    assert (several["runs"]["runs"], several["runs"]["most_cost"], several["starts_now"]) == (2, "0.800000", True)
    assert not Job.objects.exists()


def test_without_prices_nobody_says_what_it_costs(ada, project, node):
    runs = quoted(ada, count=3, at_most="1")["runs"]
    assert (runs["runs"], runs["most_cost"], runs["within_at_most"]) == (3, None, None)


def test_a_quote_names_the_budget_that_would_not_pay(ada, project, node):
    above = builders.project(slug="acme")
    type(project).objects.filter(pk=project.pk).update(parent=above)
    for owner, amount, hard in ((project, 10, True), (above, 3, True), (above, 1, False)):
        Budget.objects.create(
            project=owner, unit="gpu_hours", amount=amount, period="once", hard=hard,
            starts_at=timezone.now() - timedelta(hours=1), ends_at=timezone.now() + timedelta(days=9),
        )  # fmt: skip
    runs = quoted(ada, resources={"gpus": 2}, max_runtime_seconds=3600, count=2)["runs"]
    assert [(one["project"], one["hard"], one["needed"], one["within"]) for one in runs["budgets"]] == [
        ("vision", True, "4.000000", True), ("acme", True, "4.000000", False), ("acme", False, "4.000000", False),
    ]  # fmt: skip
    assert (runs["within_budgets"], runs["stopped_by"]["project"]) == (False, "acme")
    assert quoted(ada, resources={"gpus": 2}, max_runtime_seconds=3600)["runs"]["stopped_by"] is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"at_most": "-1"}, "at_most"), ({"at_most": "NaN"}, "at_most"), ({"at_most": "0.1234567"}, "at_most"),
     ({"count": 0}, "count"), ({"count": 1_000_000}, "count"), ({"count": "two"}, "count"), ({"jobs": []}, "jobs"),
     ({"jobs": [{"project": "vision", "command": ["true"]}]}, "project")],
)  # fmt: skip
def test_what_is_wrong_with_runs_is_refused_by_its_field(ada, project, fields, field):
    assert field in faults(asked(ada, **fields))
