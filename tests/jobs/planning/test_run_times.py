"""Run times are learned from jobs that ended, and expected of those that come after them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import tasks
from jobs.control import actions
from jobs.models import Job
from jobs.models.planning import RunTimeHistory, RunTimeLearning
from jobs.planning import run_times
from jobs.planning.snapshot import take_snapshot
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from tests import builders
from tests.rest import V1, client_of
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def vision():
    return builders.project(slug="vision")


@pytest.fixture
def ada(vision):
    return builders.member(project=vision, user=builders.user(username="ada"))


@pytest.fixture(autouse=True)
def a_machine():
    return builders.node(cpus=8)


def ended(seconds, *, state="completed", end_reason="completed", number=1, **fields):
    """A job that ran so long and ended just now."""
    now = timezone.now()
    job = builders.job(state=state, end_reason=end_reason, finished_at=now, **fields)
    builders.attempt(
        job=job, number=number, started_at=now - timedelta(seconds=seconds), ended_at=now, end_reason=end_reason
    )
    return job


def learn():
    return run_times.learn(settled_seconds=0)


def submitted(owner, name="train 9", **fields):
    [one] = submit(specs=[JobSpec(name=name, project="vision", command=("true",), **fields)], owner=owner)
    return Job.objects.get(pk=one.job.pk)


def test_a_job_is_expected_to_run_as_long_as_the_last_two_of_its_kind(vision, ada):
    for seconds in (900, 100, 200):
        ended(seconds, name=f"train {seconds}", project=vision, owner=ada)
    assert learn().ends == 3
    job = submitted(ada)
    assert job.predicted_runtime_seconds == pytest.approx(150, abs=1)
    assert job.predicted_by == "template"
    assert client_of(ada).get(f"{V1}/jobs/{job.pk}").json()["predicted_runtime_seconds"] == pytest.approx(150, abs=1)


def test_a_newcomer_is_expected_to_run_like_others_of_the_project_and_never_beyond_the_limit(vision, ada):
    ended(900, project=vision, name="eval")
    learn()
    assert submitted(ada).predicted_by == "project"
    assert submitted(ada, max_runtime_seconds=60).predicted_runtime_seconds == 60


def test_of_an_unknown_project_nothing_is_expected(ada):
    assert submitted(ada).predicted_runtime_seconds is None


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "failed", "end_reason": "exit_code"},
        {"state": "cancelled", "end_reason": "cancelled"},
        {"number": 2, "checkpointable": True},
    ],
)
def test_a_run_that_was_cut_short_teaches_nothing(vision, fields):
    ended(900, project=vision, **fields)
    assert learn().ends == 0


def test_a_job_that_ran_into_its_limit_teaches_that(vision, ada):
    ended(60, project=vision, owner=ada, state="failed", end_reason="timeout", max_runtime_seconds=60)
    assert learn().ends == 1


def test_each_end_is_learned_from_once_and_ends_that_come_later_too(vision, ada, monkeypatch):
    monkeypatch.setattr(run_times, "BATCH", 2)
    for _ in range(3):
        ended(10, project=vision, owner=ada)
    assert [learn().ends for _ in range(3)] == [2, 1, 0]
    ended(10, project=vision, owner=ada)
    assert learn().ends == 1
    assert {len(one.data) for one in RunTimeHistory.objects.all()} == {4}


def test_what_ended_just_now_may_not_be_all_and_waits(vision):
    ended(10, project=vision)
    assert run_times.learn().ends == 0


def test_of_jobs_in_line_something_else_is_expected_once_others_of_their_kind_end(vision, ada):
    waiting, other = submitted(ada, "train 1"), submitted(ada, "eval 1")
    ended(100, name="train 2", project=vision, owner=ada), ended(300, name="train 3", project=vision, owner=ada)
    assert learn() == (2, 2)
    for job in (waiting, other):
        job.refresh_from_db()
    assert waiting.predicted_runtime_seconds == pytest.approx(200, abs=1)
    assert (waiting.predicted_by, other.predicted_by) == ("template", "owner")


def test_what_is_expected_is_not_written_again_for_nothing(vision, ada):
    submitted(ada, "train 1")
    for _ in range(2):
        ended(100, name="train 2", project=vision, owner=ada)
    assert learn().foretold == 1
    ended(100.5, name="train 2", project=vision, owner=ada)
    assert learn() == (1, 0)


def test_learning_costs_the_same_however_many_end(vision, ada, django_assert_max_num_queries):
    for number in range(30):
        ended(100, name=f"train {number}", project=vision, owner=ada)
        submitted(ada, f"train {number}")
    with django_assert_max_num_queries(12):
        assert learn() == (30, 30)


def machine(name, model):
    gpus = [{"index": index, "model": model, "memory_mb": 81_920} for index in range(2)]
    return builders.node(name=name, gpus=gpus)


def ended_on(model, seconds, vision, ada):
    """A job that ran on a machine with GPUs of that model."""
    node = Node.objects.filter(name=model).first() or machine(model, model)
    job = ended(seconds, name="train 1", gpus=1, project=vision, owner=ada)
    builders.placement(attempt=job.attempts.get(), node=node, gpu_indices=[0], state="closed", closed_at=timezone.now())


def test_how_fast_each_model_runs_such_jobs_is_learned_and_told_to_strategies_that_go_by_it(vision, ada, settings):
    for _ in range(10):
        ended_on("H100", 100, vision, ada)
        ended_on("A100", 300, vision, ada)
    learn()
    submitted(ada, "train 7", gpus=1)
    settings.PLACEMENT = "learned"
    snapshot = take_snapshot()
    [job] = snapshot.waiting
    times = {model: snapshot.speeds.expect(job.kind, model).times for model in ("H100", "A100")}
    assert times["A100"] / times["H100"] == pytest.approx(3.0, rel=0.15)
    assert snapshot.speeds.expect(job.kind, "A100").runs == 10


def test_under_other_strategies_nothing_of_that_is_read(vision, ada):
    ended_on("H100", 100, vision, ada)
    learn()
    submitted(ada, "train 7", gpus=1)
    snapshot = take_snapshot()
    assert (snapshot.speeds.as_data(), snapshot.waiting[0].kind) == ({}, "")


def test_how_good_it_was_is_measured(vision, ada):
    expected: Any = {
        "predicted_runtime_seconds": 100, "predicted_low_seconds": 50, "predicted_high_seconds": 150,
        "predicted_by": "owner",
    }  # fmt: skip
    ended(200, project=vision, **expected), ended(100, project=vision, **expected), ended(5, project=vision)
    learn()
    sums = RunTimeLearning.objects.get()
    assert (sums.count, sums.inside) == (2, 1)
    assert sums.absolute_seconds == pytest.approx(100, abs=1)
    assert sums.alike == pytest.approx(1.5, abs=0.02)


def test_the_planner_sees_what_is_expected(vision, ada):
    builders.job(project=vision, predicted_runtime_seconds=120, predicted_by="owner")
    [job] = take_snapshot().waiting
    assert job.predicted_seconds == 120


def test_a_running_job_that_outlived_its_prediction_is_expected_to_go_on_a_little(vision):
    expected: Any = {"predicted_low_seconds": 0, "predicted_high_seconds": 900, "predicted_by": "owner"}
    started = timezone.now() - timedelta(seconds=600)
    builders.running_job(project=vision, started_at=started, predicted_runtime_seconds=700, **expected)
    builders.running_job(project=vision, started_at=started, predicted_runtime_seconds=590, **expected)
    builders.running_job(project=vision, started_at=started)
    ends = [one.predicted_end and one.predicted_end - started.timestamp() for one in take_snapshot().running]
    assert ends == [pytest.approx(700, abs=1), pytest.approx(650, abs=1), None]


def test_where_nothing_was_learned_the_owner_s_estimate_is_believed_up_to_the_limit(vision):
    started = timezone.now()
    builders.running_job(project=vision, started_at=started, estimated_runtime_seconds=300)
    builders.running_job(project=vision, started_at=started, estimated_runtime_seconds=300, max_runtime_seconds=200)
    ends = [one.predicted_end and one.predicted_end - started.timestamp() for one in take_snapshot().running]
    assert ends == [pytest.approx(300, abs=1), pytest.approx(200, abs=1)]


def test_a_job_that_is_placed_and_has_not_started_ends_by_its_limit_from_now_on():
    job = builders.job(state="queued", max_runtime_seconds=600)
    builders.placement(attempt=builders.attempt(job=job))
    [one] = take_snapshot().running
    assert one.started_at is None
    assert one.expected_end == pytest.approx(timezone.now().timestamp() + 600, abs=10)


def test_old_records_are_forgotten():
    RunTimeHistory.objects.create(key="old", updated_at=timezone.now() - timedelta(days=200))
    RunTimeHistory.objects.create(key="new")
    tasks.prune()
    assert [one.key for one in RunTimeHistory.objects.all()] == ["new"]


def test_who_requeues_a_job_is_told_anew_what_to_expect(vision, ada):
    job = ended(100, name="train 1", project=vision, owner=ada)
    actions.requeue(job_id=job.pk, actor="ada")
    ended(100, name="train 2", project=vision, owner=ada)
    learn()
    job.refresh_from_db()
    assert job.predicted_runtime_seconds == pytest.approx(100, abs=1)
