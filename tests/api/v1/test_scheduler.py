"""/jobs/scheduler/info, /jobs/scheduler/trigger, /dashboard."""

from datetime import timedelta

import pytest
from django.utils import timezone

from api.v1 import health
from api.v1.system import service_health
from jobs.models import Cycle, DayCost, Queue
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def test_info_shows_the_last_cycle_and_what_there_is(staff):
    Cycle.objects.update(started_at=timezone.now(), duration_ms=12.5, count=7, placed=2, waiting=1)
    builders.job(), builders.running_job(node=builders.node())
    builders.node(heartbeat=timezone.now() - timedelta(hours=1))
    answer = staff.get(f"{V1}/jobs/scheduler/info").json()
    assert (answer["cycle"]["count"], answer["cycle"]["placed"], answer["policy"]) == (7, 2, "priority")
    assert (answer["jobs"]["pending"], answer["jobs"]["running"], answer["jobs"]["failed"]) == (1, 1, 0)
    assert answer["nodes"] == {"alive": 1, "dead": 1, "unknown": 0}


def test_staff_ask_for_a_cycle_others_do_not(staff):
    assert staff.post(f"{V1}/jobs/scheduler/trigger").status_code == 202
    assert client_of(builders.user()).post(f"{V1}/jobs/scheduler/trigger").status_code == 403
    assert client_of(builders.user()).get(f"{V1}/jobs/scheduler/info").status_code == 200


def test_info_tells_the_policy_and_what_there_is_in_numbers(staff):
    builders.job(), builders.job(state="completed")
    builders.queue(name="shut", state="paused")
    answer = staff.get(f"{V1}/jobs/scheduler/info").json()
    assert (answer["policy"], answer["quota_provider"], answer["pending_jobs"]) == ("priority", "local", 1)
    assert answer["active_queues"] == Queue.objects.filter(state="open").count()


def test_a_cycle_for_a_project_says_what_it_did_for_it_and_below(staff):
    builders.node(cpus=2)
    team = builders.project(slug="team")
    study = builders.project(parent=team)
    [builders.job(project=project, cpus=1) for project in (team, study, study)]
    answer = staff.post(f"{V1}/jobs/scheduler/trigger", {"project_id": "team"})
    assert (answer.status_code, answer.json()["scheduled_count"], answer.json()["remaining_pending"]) == (200, 2, 1)


@pytest.mark.parametrize(
    ("body", "status"), [({"project_id": "nobody"}, 404), ({"project_id": 5}, 400), ({"x": 1}, 400)]
)
def test_a_cycle_for_what_is_not_there_is_refused(staff, body, status):
    assert staff.post(f"{V1}/jobs/scheduler/trigger", body).status_code == status


def reason(code):
    return {"code": code, "sentence": "", "shortfall": {}, "held_by": []}


def test_the_dashboard_counts_my_jobs_by_state_queue_and_reason():
    project = builders.project()
    builders.job(project=project, reasons=[reason("gpus"), reason("quota")])
    builders.job(project=project, reasons=[reason("gpus")], queue="batch")
    builders.job(project=project, state="completed", reasons=[reason("gpus")])
    builders.job(reasons=[reason("gpus")])
    answer = client_of(builders.member(project=project, role="viewer")).get(f"{V1}/dashboard").json()
    assert (answer["jobs"]["pending"], answer["jobs"]["completed"], answer["jobs"]["running"]) == (2, 1, 0)
    assert answer["queues"] == [
        {"queue": "batch", "jobs": {"pending": 1}},
        {"queue": "default", "jobs": {"pending": 1, "completed": 1}},
    ]
    assert answer["waiting_for"] == {"gpus": 2, "quota": 1}


def test_the_dashboard_shows_how_full_the_machines_are_that_are_alive(staff):
    builders.running_job(node=builders.node(cpus=8, memory_mb=2048, gpus=4), gpu_indices=[2], cpus=3, memory_mb=512)
    builders.node(cpus=8, gpus=4, silent=True)
    fleet = staff.get(f"{V1}/dashboard").json()["fleet"]
    assert fleet["gpus"] == {"total": 4, "used": 1}
    assert fleet["cpus"] == {"total": 8, "used": 3}
    assert fleet["memory_gb"] == {"total": 2, "used": 0.5}
    assert fleet["nodes"] == {"alive": 1, "dead": 0, "unknown": 1}


def test_the_dashboard_of_an_empty_yard(staff):
    answer = staff.get(f"{V1}/dashboard").json()
    assert (answer["queues"], answer["waiting_for"], answer["fleet"]["gpus"]["total"]) == ([], {}, 0)


def test_more_jobs_take_no_more_statements(staff, django_assert_num_queries, monkeypatch):
    part = {"ok": True, "detail": health.WORKS}
    parts = dict.fromkeys(("database", "broker", "beat", "planner", "recovery", "agents"), part)
    monkeypatch.setattr(service_health, "readiness", lambda: parts)

    def statements():
        # Open jobs with what they are to cost, ended ones, queues, reasons, nodes, open placements, what was booked.
        with django_assert_num_queries(7):
            staff.get(f"{V1}/dashboard")

    statements()
    for _ in range(10):
        builders.running_job(queue=builders.queue()), builders.job(reasons=[reason("gpus")])
        builders.job(state="completed")
    statements()


def test_the_dashboard_says_what_was_paid_what_is_expected_and_whether_the_platform_works():
    project = builders.project()
    DayCost.objects.create(project=project.pk, day=timezone.now().date(), cost=7)
    DayCost.objects.create(project=project.pk + 1, day=timezone.now().date(), cost=100)
    builders.job(project=project, estimated_cost=3, cost_basis="limit")
    builders.job(project=project, estimated_cost=50, cost_basis="hour")
    answer = client_of(builders.member(project=project)).get(f"{V1}/dashboard").json()
    assert answer["cost"] == {"currency": "EUR", "today": "7.000000", "month": "7.000000", "pending": "3.000000"}
    assert list(answer["services"]) == ["web", "beat", "control", "broker", "database", "agents"]
    assert (answer["services"]["web"]["ok"], answer["services"]["database"]["ok"]) == (True, True)
    assert answer["services"]["control"] == {"ok": False, "detail": "There was no scheduling cycle yet."}


def test_a_stranger_sees_neither():
    assert client_of().get(f"{V1}/dashboard").status_code == 401
    assert client_of().get(f"{V1}/jobs/scheduler/info").status_code == 401
