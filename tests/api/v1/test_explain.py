"""GET /jobs/{id}/explain: why a job waits, until when, what would start it; how one came to run."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Attempt, Job, Queue
from jobs.planning import cycle, start_forecasts
from jobs.planning.snapshot import take_snapshot
from jobs.reports import explain
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.costs.rows import Price
from scheduling.lifecycle import EndReason
from scheduling.snapshot import Shadow, ShadowJob
from tests import builders
from tests.rest import V1, client_of
from tests.scheduling.builders import waiting
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def node():
    return builders.node(name="n1", gpus=4)


def explained(client, job):
    response = client.get(f"{V1}/jobs/{job.pk}/explain")
    assert response.status_code == 200, response.content
    return response.json()


def when(text):
    return datetime.fromisoformat(text)


def start_of(job):
    assert job.started_at is not None
    return job.started_at


def test_a_waiting_job_is_told_who_holds_what_it_needs_and_until_when(staff, node):
    ada = builders.user(username="ada")
    vision = builders.project(slug="vision")
    busy = builders.running_job(
        node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600, project=vision, owner=ada, name="busy"
    )
    job = builders.job(gpus=2)

    told = explained(staff, job)

    [reason] = told["reasons"]
    assert (reason["code"], reason["shortfall"], reason["held_by"]) == ("resources", {"gpus": 1}, [busy.pk])
    assert reason["sentence"] == "Needs 2 GPUs; node n1 has the most free: 1 of 4."
    end = start_of(busy) + timedelta(seconds=600)
    [holder] = told["holders"]
    assert abs(when(holder.pop("expected_end")) - end) < timedelta(seconds=0.01)
    assert holder == {
        "id": busy.pk, "name": "busy", "project": "vision", "owner": "ada", "state": "running", "node": "n1",
    }  # fmt: skip
    assert told["predicted_start"]["expected"] == reason["expected_clear"]
    assert timedelta(0) <= when(reason["expected_clear"]) - end < timedelta(seconds=5)


def test_where_a_floor_is_kept_it_is_told_by_when_it_starts_at_the_latest(staff, node):
    queue = builders.queue(name="default", policy="floor")
    busy = builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600, queue=queue)
    job = builders.job(gpus=2)

    told = explained(staff, job)

    assert timedelta(0) <= when(told["floor_start"]) - start_of(busy) - timedelta(seconds=600) < timedelta(seconds=180)
    assert told["before_its_turn"] is False
    start_forecasts.refresh()
    assert abs(when(explained(staff, job)["floor_start"]) - when(told["floor_start"])) < timedelta(seconds=2)
    assert staff.get(f"{V1}/jobs/{job.pk}").json()["floor_start"] is not None


def test_no_page_tells_a_latest_start_after_the_floor(staff, node):
    builders.running_job(
        node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600, queue=builders.queue(name="default", policy="floor")
    )
    jobs = [builders.job(gpus=3, max_runtime_seconds=300, checkpointable=True) for _ in range(3)]
    start_forecasts.refresh()

    for job in jobs:
        row, told = staff.get(f"{V1}/jobs/{job.pk}").json(), explained(staff, job)
        assert when(row["predicted_start_latest"]) <= when(row["floor_start"])
        assert when(told["predicted_start"]["latest"]) <= when(told["floor_start"])
        assert told["floor_start"] == row["floor_start"]


def test_a_job_that_runs_before_its_turn_is_told_so(staff, node, monkeypatch):
    queue = builders.queue(name="default", policy="floor")
    early, due = (builders.running_job(node=node, gpu_indices=[gpu], queue=queue) for gpu in (0, 1))
    shadow = Shadow(0.0, {early.pk: ShadowJob(waiting(early.pk)), due.pk: ShadowJob(waiting(due.pk), 0.0)})
    monkeypatch.setattr("jobs.reports.explain.take_snapshot", lambda: replace(take_snapshot(), shadow=shadow))

    assert [explained(staff, job)["before_its_turn"] for job in (early, due)] == [True, False]


def test_it_has_its_place_its_reservation_and_what_would_start_it_now(staff, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600)
    job = builders.job(gpus=4)

    told = explained(staff, job)

    assert (told["job"], told["state"], told["position"], told["line_length"]) == (job.pk, "pending", 1, 1)
    assert told["reservation"]["nodes"] == ["n1"]
    assert told["changes"] == [
        {"field": "resources.gpus", "from": 4, "to": 1, "sentence": "With 1 GPU instead of 4 it would start now."}
    ]
    start = told["predicted_start"]
    assert start["soonest"] < start["expected"] < start["latest"]


def test_what_was_foretold_is_told_again_not_foretold_anew(staff, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600)
    job = builders.job(gpus=4)
    start_forecasts.refresh()
    job.refresh_from_db()

    assert when(explained(staff, job)["predicted_start"]["expected"]) - job.predicted_start < timedelta(seconds=0.01)


def test_a_job_for_which_there_is_room_is_told_that_it_starts_next(staff, node):
    told = explained(staff, builders.job(gpus=1))

    assert (told["starts_now"], told["nodes"], told["changes"]) == (True, ["n1"], [])
    assert told["reasons"][0]["sentence"] == "There is room for it on n1: the next scheduling cycle starts it."


def test_of_jobs_that_the_caller_may_not_see_only_the_number_is_told(node):
    caller = builders.user()
    project = builders.project(members=[caller])
    hidden = builders.running_job(node=node, gpu_indices=[0, 1], name="secret", max_runtime_seconds=50)
    seen = builders.running_job(node=node, gpu_indices=[2, 3], project=project)
    job = builders.job(gpus=4, project=project)

    response = client_of(caller).get(f"{V1}/jobs/{job.pk}/explain")

    told = response.json()
    assert [one["id"] for one in told["holders"]] == [seen.pk]
    assert told["other_holders"] == 1
    assert told["reasons"][0]["held_by"] == [hidden.pk, seen.pk]
    assert "secret" not in response.content.decode()
    assert hidden.project.slug not in response.content.decode()


def test_a_quota_names_the_project_s_jobs_and_the_time_when_enough_have_ended(staff, node):
    project = builders.project(quota={"gpus": 2})
    busy = builders.running_job(node=node, gpu_indices=[0, 1], project=project, max_runtime_seconds=300)
    job = builders.job(gpus=1, project=project)

    [reason] = explained(staff, job)["reasons"]

    assert (reason["code"], reason["held_by"]) == ("quota", [busy.pk])
    assert 290 < (when(reason["expected_clear"]) - start_of(busy)).total_seconds() < 310


def test_a_reason_that_only_people_can_clear_has_no_time_and_the_job_no_start(staff, node):
    failed = builders.job(state="failed")
    told = explained(staff, builders.job(depends_on=[failed]))

    assert [(one["code"], one["expected_clear"]) for one in told["reasons"]] == [("dependency_failed", None)]
    assert told["predicted_start"] == {"expected": None, "soonest": None, "latest": None, "later_than": None}


def test_a_job_that_runs_is_told_where_and_how_it_came_there(staff, node):
    job = builders.running_job(node=node, gpu_indices=[0, 3], owner=builders.user(username="ada"))
    Attempt.objects.filter(job=job).update(created_at=job.created_at + timedelta(seconds=95))

    told = explained(staff, job)

    assert (told["position"], told["reasons"], told["predicted_start"], told["changes"]) == (None, [], None, [])
    assert [one["sentence"] for one in told["history"]] == [
        "Submitted by ada to queue default.",
        "Placed on n1 (GPUs 0 and 3), 1m 35s after it was submitted: the first cycle with room for it there.",
        "Started.",
    ]


def test_a_start_is_compared_with_what_was_foretold(staff, node):
    busy = builders.running_job(node=node, gpu_indices=[0, 1, 2, 3], max_runtime_seconds=600)
    job = builders.job(gpus=4)
    start_forecasts.refresh()
    builders.attempt(job=job, started_at=start_of(busy) + timedelta(seconds=545))
    Job.objects.filter(pk=job.pk).update(state="running")

    sentence = explained(staff, job)["history"][-1]["sentence"]

    assert sentence.startswith("Started. 5")
    assert sentence.endswith("s sooner than was first expected.")


def test_a_job_that_is_over_is_told_how_it_ended(staff):
    job = builders.job(state="failed")
    builders.attempt(job=job, started_at=timezone.now(), ended_at=timezone.now(), end_reason="timeout")

    last = explained(staff, job)["history"][-1]["sentence"]

    assert last == "The command ran longer than its max_runtime_seconds and was stopped."


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("completed", "", "The command ended with exit code 0."),
        ("cancelled", "", "The job was cancelled."),
        ("start_failed", "No such file.", "The command could not be started. No such file."),
        ("paused", "", "The job was paused: it gave its place back. A checkpoint was written after the request."),
    ],
)
def test_an_end_is_told_once(staff, reason, message, told):
    job = builders.running_job()
    attempt = job.attempts.get()
    ref = PlacementRef(attempt.placements.get().pk, str(attempt.token))
    finish([PlacementOutcome(ref, EndReason(reason), message=message, saved=reason == "paused")])

    assert told in sentences(staff, job)


def test_more_jobs_in_line_take_no_more_statements(staff, node, django_assert_max_num_queries):
    builders.running_job(node=node, gpu_indices=[0, 1, 2, 3])
    job = builders.job(gpus=4)
    for _ in range(10):
        builders.job(gpus=4)

    with django_assert_max_num_queries(30):
        explained(staff, job)


def ended(attempt, reason):
    """As an agent's word ends it, long ago."""
    at = timezone.now() - timedelta(seconds=100)
    Attempt.objects.filter(pk=attempt.pk).update(
        created_at=at - timedelta(seconds=60), started_at=at - timedelta(seconds=50), ended_at=at, end_reason=reason
    )


def sentences(client, job):
    return [one["sentence"] for one in explained(client, job)["history"]]


def test_the_history_tells_every_attempt_and_each_wait_from_when_it_was_back_in_line(staff, node):
    job = builders.job(state="failed", attempt=1, created_at=timezone.now() - timedelta(hours=9))
    ended(builders.attempt(job=job, number=1), "timeout")
    actions.requeue(job_id=job.pk, actor="ada")
    cycle.run_cycle()

    told = sentences(staff, job)

    assert [one.split(",")[0] for one in told] == [
        "Submitted to queue default.",
        "Placed on a node",
        "Started.",
        "The command ran longer than its max_runtime_seconds and was stopped.",
        "Put back in line by ada.",
        "Placed on n1",
    ]
    assert "0s after it was put back in line" in told[-1] or "1s after it was put back in line" in told[-1]
    assert told[-1].endswith("Attempt 2.")


def test_what_people_did_to_a_waiting_job_is_in_its_history(staff):
    job = builders.job()
    actions.hold(job_id=job.pk, actor="bob", reason="wrong data")
    actions.release(job_id=job.pk, actor="ada")
    actions.pause(job_id=job.pk, actor="ada")
    actions.resume(job_id=job.pk, actor="bob")

    assert sentences(staff, job)[1:] == [
        "Held by bob: wrong data",
        "Released by ada.",
        "Paused by ada.",
        "Resumed by bob.",
    ]


def test_of_very_many_attempts_the_last_are_told(staff):
    job = builders.job(state="failed")
    for number in range(1, 31):
        ended(builders.attempt(job=job, number=number), "preempted")

    told = sentences(staff, job)

    assert "10 earlier attempts are left out here." in told
    assert sum(one.startswith("Placed") for one in told) == 20


def test_a_cancelled_wait_for_another_attempt_is_told(staff):
    job = builders.job(attempt=1)
    ended(builders.attempt(job=job), "preempted")
    actions.cancel(job_id=job.pk, actor="ada")

    assert sentences(staff, job)[-1] == "It was cancelled. Cancelled by ada."


def test_a_job_that_cannot_start_if_there_is_room_has_no_place_in_line(staff, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2])
    held, first = builders.job(gpus=4, priority=90), builders.job(gpus=4)
    dependent = builders.job(gpus=4, priority=90, depends_on=[first])
    actions.hold(job_id=held.pk, actor="ada")
    cycle.run_cycle()

    for job, place in ((held, None), (dependent, None), (first, 1)):
        told = explained(staff, job)
        assert (told["position"], told["line_length"]) == (place, 1)
        assert staff.get(f"{V1}/jobs/{job.pk}").json()["position"] == place


def test_a_job_that_is_held_after_the_last_cycle_has_no_place_any_more(staff):
    job = builders.job()
    cycle.run_cycle()
    actions.hold(job_id=job.pk, actor="ada")

    assert staff.get(f"{V1}/jobs/{job.pk}").json()["position"] is None


def test_a_dead_chain_names_its_root(staff, node):
    failed = builders.job(state="failed")
    second = builders.job(depends_on=[failed])
    third = builders.job(depends_on=[builders.job(depends_on=[second])])

    told = explained(staff, third)

    assert [(one["code"], one["held_by"]) for one in told["reasons"]] == [("dependency_failed", [failed.pk])]
    assert (told["predicted_start"]["later_than"], told["position"]) == (None, None)


def test_what_each_job_holds_of_a_quota_is_told_of_those_that_the_caller_may_see(node):
    above = builders.project(slug="acme", quota={"gpus": 3})
    caller = builders.user()
    project = builders.project(parent=above, members=[caller])
    seen = builders.running_job(node=node, gpu_indices=[0, 1], project=project)
    hidden = builders.running_job(node=node, gpu_indices=[2], project=builders.project(parent=above))
    job = builders.job(gpus=1, project=project)

    told = client_of(caller).get(f"{V1}/jobs/{job.pk}/explain").json()

    [reason] = told["reasons"]
    assert set(reason["held_by"]) == {seen.pk, hidden.pk}
    assert reason["holds"] == [{"job": seen.pk, "gpus": 2}]
    assert [(one["field"], one["to"]) for one in told["changes"]] == [("quota", {"acme": {"gpus": 4}})]


def test_a_job_that_ends_while_it_is_explained_is_told_as_ended(staff, monkeypatch):
    job = builders.job()

    def late():
        actions.cancel(job_id=job.pk, actor="ada")
        return take_snapshot()

    monkeypatch.setattr(explain, "take_snapshot", late)

    told = explained(staff, job)

    assert (told["state"], told["reasons"], told["position"]) == ("cancelled", [], None)
    assert told["history"][-1]["sentence"] == "It was cancelled. Cancelled by ada before it started."


@pytest.mark.parametrize("queue", ["open", "paused", "draining"])
def test_a_job_of_any_queue_and_far_behind_the_foretold_ones_is_explained(staff, node, queue, monkeypatch):
    monkeypatch.setattr(explain, "REQUEST_PLANS", 2)
    builders.running_job(node=node, gpu_indices=[0, 1, 2])
    for _ in range(3):
        builders.job(gpus=4)
    job = builders.job(gpus=4, queue=builders.queue(state=queue))

    assert explained(staff, job)["reasons"]


def machine(name, model):
    gpus = [{"index": index, "model": model, "memory_mb": 81_920} for index in range(2)]
    return builders.node(name=name, gpus=gpus)


def priced(model, amount):
    Price.objects.create(
        target="gpu_model", name=model, per_hour=amount, currency="EUR", valid_from=timezone.now() - timedelta(days=1)
    )


@pytest.fixture
def two_models():
    priced("H100", 4), priced("A100", 1)
    return machine("new", "H100"), machine("old", "A100")


def test_a_waiting_job_is_told_the_nodes_with_what_speaks_for_them(staff, two_models, settings):
    settings.PLACEMENT = "weighted"
    Queue.objects.filter(name="default").update(placement_weights={"price": 2})
    job = builders.job(gpus=1, max_runtime_seconds=7_200)

    told = explained(staff, job)["placement"]

    assert (told["strategy"], told["basis"], told["able"]) == ("weighted", "now", 2)
    assert [one["node"] for one in told["candidates"]] == ["old", "new"]
    prices = [part for one in told["candidates"] for part in one["criteria"] if part["name"] == "price"]
    assert [(one["value"], one["scaled"], one["weight"]) for one in prices] == [(2.0, 0.0, 2.0), (8.0, 0.75, 2.0)]


def test_without_room_the_nodes_are_told_as_if_nothing_ran(staff, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2, 3])
    told = explained(staff, builders.job(gpus=2))["placement"]
    assert (told["strategy"], told["basis"], [one["node"] for one in told["candidates"]]) == (
        "best_fit",
        "empty",
        ["n1"],
    )
    assert told["candidates"][0]["words"].startswith("leaves 2 GPUs")


def test_a_running_job_is_told_what_was_known_when_it_was_placed(staff, two_models, settings):
    settings.PLACEMENT = "weighted"
    job = builders.job(gpus=1, max_runtime_seconds=3_600)
    cycle.run_cycle()
    Price.objects.all().delete()

    told = explained(staff, job)["placement"]

    assert (told["basis"], told["candidates"][0]["node"], told["able"]) == ("decided", "old", 2)
    assert told["candidates"][0]["criteria"][0] == {"name": "price", "value": 1.0, "scaled": 0.0, "weight": 0.5}
    assert len(str(Attempt.objects.get(job=job).decision)) < 3_000


def test_a_job_that_was_placed_before_anybody_wrote_that_down_is_told_nothing(staff, node):
    assert explained(staff, builders.running_job(node=node))["placement"] is None


def test_auto_is_told_with_what_it_picked_and_so_is_the_cycle(staff, node, settings):
    settings.PLACEMENT = "auto"
    job = builders.job(gpus=1)
    cycle.run_cycle()
    told = explained(staff, job)["placement"]
    assert (told["picked"], told["why"]) == ("best_fit", "All GPUs are given away whole.")
    picked = staff.get(f"{V1}/jobs/scheduler/info").json()["cycle"]["picked"]
    assert picked == [{"strategy": "best_fit", "why": "All GPUs are given away whole.", "jobs": 1}]


def test_a_node_on_which_the_platform_failed_jobs_of_late_is_told_so_until_it_is_forgiven(staff, two_models, settings):
    settings.PLACEMENT = "weighted"
    _, old = two_models
    failed = builders.job(state="failed", end_reason="gpu_error", finished_at=timezone.now())
    builders.placement(
        attempt=builders.attempt(job=failed, ended_at=timezone.now(), end_reason="gpu_error"),
        node=old, state="closed", closed_at=timezone.now(), end_reason="gpu_error",
    )  # fmt: skip
    job = builders.job(gpus=1)

    def failures():
        told = explained(staff, job)["placement"]["candidates"]
        return {one["node"]: part["value"] for one in told for part in one["criteria"] if part["name"] == "reliability"}

    assert failures() == {"old": 1.0, "new": 0.0}
    Node.objects.filter(name="old").update(forgiven_at=timezone.now())
    assert failures() == {"old": 0.0, "new": 0.0}
