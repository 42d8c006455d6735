"""Who would give way, who gave way to whom, and what that cost, over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Preemption
from jobs.planning import cycle
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def victim(node, **more):
    known: dict[str, Any] = {"priority": 10, "checkpointable": True, "started_at": timezone.now() - timedelta(hours=1)}
    return builders.running_job(node=node, cpus=2, checkpoint_at=timezone.now() - timedelta(seconds=60), **known | more)


def test_those_first_whom_the_plan_would_stop_and_nobody_is_told(staff):
    node = builders.node(cpus=4)
    cheap, dear = victim(node), victim(node, priority=20)
    urgent = builders.job(cpus=2, priority=90)

    found = staff.get(f"{V1}/jobs/{urgent.pk}/preemption-candidates").json()

    assert (found["starts_now"], found["stops_left"]) == (False, 60)
    assert [(one["job"], one["strategy"], one["chosen"]) for one in found["candidates"]] == [
        (cheap.pk, "priority", True), (dear.pk, "priority", False),
    ]  # fmt: skip
    assert 100 < found["candidates"][0]["lost_seconds"] < 200
    assert Preemption.objects.count() == 0
    cycle.run_cycle()
    assert Preemption.objects.get().attempt.job_id == cheap.pk


def test_of_jobs_of_others_only_their_numbers_are_told():
    node = builders.node(cpus=2)
    other = victim(node)
    urgent = builders.job(cpus=2, priority=90)
    ann = client_of(builders.member(project=urgent.project))
    [told] = ann.get(f"{V1}/jobs/{urgent.pk}/preemption-candidates").json()["candidates"]
    cycle.run_cycle()
    [row] = rows(ann.get(f"{V1}/scheduler/preemptions"))

    assert (told["job"], told["name"], told["project"]) == (other.pk, None, None)
    assert (row["job"], row["project"], row["for_job"], row["for_project"]) == (
        other.pk, None, urgent.pk, urgent.project.slug,
    )  # fmt: skip
    assert row["gave_way"] is None
    assert ann.get(f"{V1}/scheduler/preemptions/statistics").json()["groups"] == []


def test_a_job_that_runs_needs_nobody_to_give_way(staff):
    running = builders.running_job()
    refused = staff.get(f"{V1}/jobs/{running.pk}/preemption-candidates")
    assert (refused.status_code, "is running" in refused.json()["detail"]) == (409, True)


def test_what_was_lost_is_summed_up_by_project_queue_and_day(staff):
    project = builders.project(slug="vision")
    for number, reason in enumerate(("preempted", "preempted", "completed")):
        job = builders.job(project=project, gpus=2, nodes=2, state="pending")
        attempt = builders.attempt(job=job, ended_at=timezone.now(), end_reason=reason)
        at = timezone.now() - timedelta(days=40 if number == 0 else 0)
        Preemption.objects.create(attempt=attempt, strategy="priority", lost_seconds=100, at=at)
    url = f"{V1}/scheduler/preemptions/statistics"

    [today] = staff.get(url).json()["groups"]
    [whole] = staff.get(f"{url}?by=project&since=2020-01-01T00:00:00Z").json()["groups"]

    assert today == {
        "group": timezone.now().date().isoformat(), "requested": 2, "gave_way": 1, "lost_seconds": 100.0, "lost_gpu_seconds": 400.0,
    }  # fmt: skip
    assert (whole["group"], whole["requested"], whole["lost_gpu_seconds"]) == ("vision", 3, 800.0)
    assert list(faults(staff.get(f"{url}?by=colour"))) == ["by"]
    assert staff.get(f"{url}?by=queue").json()["groups"][0]["group"] == "default"
    assert [row["gave_way"] for row in rows(staff.get(f"{V1}/scheduler/preemptions?project=vision"))] == [
        False,
        True,
        True,
    ]


def test_more_rows_take_no_more_statements(staff, django_assert_max_num_queries):
    for _ in range(8):
        Preemption.objects.create(attempt=builders.attempt(), strategy="priority", lost_seconds=1)
    with django_assert_max_num_queries(6):
        assert len(rows(staff.get(f"{V1}/scheduler/preemptions"))) == 8
