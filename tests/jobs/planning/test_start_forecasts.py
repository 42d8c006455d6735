"""Predicted starts: what is written down, and how it is measured."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.control import actions
from jobs.models import Job
from jobs.models.start_prediction import StartPrediction
from jobs.planning import cycle, start_forecasts
from tests import builders
from tests.racing import beside, hold

pytestmark = pytest.mark.django_db
GPUS = [0, 1]


@pytest.fixture
def node():
    return builders.node(name="n1", gpus=2)


def runs(node, **fields):
    return builders.running_job(node=node, gpu_indices=GPUS, max_runtime_seconds=1000, **fields)


def seconds_from(job, moment):
    return (moment - job.started_at).total_seconds()


def test_a_waiting_job_s_start_is_foretold_with_its_interval(node):
    first, job = runs(node), builders.job(gpus=2)

    start_forecasts.refresh()

    job.refresh_from_db()
    bounds = (job.predicted_start_soonest, job.predicted_start, job.predicted_start_latest)
    times = [moment for moment in bounds if moment is not None]
    assert len(times) == 3
    assert times == sorted(times)
    assert 990 < seconds_from(first, job.predicted_start) < 1010
    row = StartPrediction.objects.get(job=job)
    assert (row.attempt, row.first_expected, row.last_expected) == (1, job.predicted_start, job.predicted_start)


def test_the_first_prediction_is_kept_when_the_last_one_moves(node):
    first, job = runs(node), builders.job(gpus=2)
    start_forecasts.refresh()
    Job.objects.filter(pk=first.pk).update(max_runtime_seconds=5000)

    start_forecasts.refresh()

    row = StartPrediction.objects.get(job=job)
    assert seconds_from(first, row.first_expected) < 1010
    assert seconds_from(first, row.last_expected) > 4990


def test_what_has_hardly_moved_is_not_written_again(node):
    runs(node)
    builders.job(gpus=2)

    assert [start_forecasts.refresh(), start_forecasts.refresh()] == [1, 0]


def test_a_job_that_can_no_longer_start_has_no_prediction(node):
    runs(node)
    job = builders.job(gpus=2)
    start_forecasts.refresh()
    builders.queue(name="default", state="paused")

    start_forecasts.refresh()

    job.refresh_from_db()
    assert (job.predicted_start, job.predicted_start_soonest, job.predicted_start_latest) == (None, None, None)


@pytest.mark.django_db(transaction=True)
def test_a_forecast_waits_for_nobody_to_take_back_what_can_no_longer_start(node):
    runs(node)
    locked, _ = (builders.job(gpus=2, predicted_start=timezone.now()) for _ in range(2))
    builders.queue(name="default", state="paused")

    beside(hold(locked), start_forecasts.refresh)

    assert list(Job.objects.filter(predicted_start__isnull=False)) == [locked]


def told(job, *, expected, soonest, latest, attempt=1, started=None):
    """A prediction made at the job's submission, in seconds from then."""
    at = job.created_at
    times = {
        name: None if one is None else at + timedelta(seconds=one)
        for name, one in (("expected", expected), ("soonest", soonest), ("latest", latest))
    }
    fields = {f"{which}_{name}": moment for which in ("first", "last") for name, moment in times.items()}
    StartPrediction.objects.create(job=job, attempt=attempt, first_made_at=at, last_made_at=at, **fields)
    if started is not None:
        builders.attempt(job=job, number=attempt, started_at=at + timedelta(seconds=started))


def test_a_start_settles_its_prediction():
    job = builders.job(state="running")
    told(job, expected=100, soonest=50, latest=120, started=90)

    start_forecasts.settle()

    row = StartPrediction.objects.get()
    assert (row.first_error_seconds, row.last_held) == (-10, True)


def test_accuracy_is_the_share_of_intervals_that_held_and_how_far_off_the_expected_start_was():
    for started in (100, 110, 130, 200):
        told(builders.job(state="running"), expected=100, soonest=50, latest=150, started=started)
    start_forecasts.settle()

    found = start_forecasts.accuracy()

    assert (found.starts, found.first.held, found.first.p50_seconds) == (4, 0.75, 20)
    assert found.last.p90_seconds == pytest.approx(79)


def test_an_interval_without_an_end_holds_whatever_does_not_come_sooner():
    for started in (10, 9000):
        told(builders.job(state="running"), expected=100, soonest=50, latest=None, started=started)
    start_forecasts.settle()

    assert start_forecasts.accuracy().first.held == 0.5


def test_there_is_no_accuracy_before_the_first_start():
    assert start_forecasts.accuracy() is None


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_job_that_never_starts_is_not_measured(state):
    told(builders.job(state=state), expected=100, soonest=50, latest=None)

    start_forecasts.settle()

    assert not StartPrediction.objects.exists()


def test_an_attempt_that_was_placed_and_never_started_is_not_measured():
    job = builders.job()
    told(job, expected=100, soonest=50, latest=None)
    builders.attempt(job=job, ended_at=timezone.now(), end_reason="node_lost")

    start_forecasts.settle()

    assert not StartPrediction.objects.exists()


def test_a_forecast_is_coarser_on_a_larger_yard():
    assert [start_forecasts.effort(nodes).plans for nodes in (1, 100, 10_000)] == [100, 30, 12]


def test_nobody_waits_for_a_turn():
    rate_limit = start_forecasts.ForecastRateLimit()
    assert rate_limit.acquire()
    assert not rate_limit.acquire()
    rate_limit.release(seconds=10)
    assert not rate_limit.acquire()


def floors():
    return list(Job.objects.filter(state="pending").order_by("pk").values_list("floor_start", flat=True))


def test_where_a_floor_is_kept_each_waiting_job_is_told_by_when_it_starts_at_the_latest(node):
    first = builders.running_job(
        node=node, gpu_indices=GPUS, max_runtime_seconds=1000, estimated_runtime_seconds=100,
        queue=builders.queue(name="default", policy="floor"),
    )  # fmt: skip
    job = builders.job(gpus=2)

    start_forecasts.refresh()

    job.refresh_from_db()
    assert 990 < seconds_from(first, job.floor_start) < 1200
    assert seconds_from(first, job.predicted_start) < 150
    assert start_forecasts.refresh() == 0


def test_without_a_floor_none_is_told_and_what_was_told_is_taken_back(node):
    queue = builders.queue(name="default", policy="floor")
    runs(node, queue=queue)
    builders.job(gpus=2)
    start_forecasts.refresh()
    assert floors() != [None]
    queue.policy = "priority"
    queue.save()

    start_forecasts.refresh()

    assert floors() == [None]


def test_who_starts_or_is_held_has_no_floor_any_more(node):
    started, held = (builders.job(gpus=2, floor_start=timezone.now()) for _ in range(2))

    actions.hold(job_id=held.pk, actor="ada")
    cycle.run_cycle()

    for job in (started, held):
        job.refresh_from_db()
    assert (started.state, started.floor_start, held.floor_start) == ("queued", None, None)


def test_a_forecast_that_fails_keeps_nobody_from_the_next_one(node, monkeypatch):
    monkeypatch.setattr(start_forecasts, "rate_limit", start_forecasts.ForecastRateLimit())
    runs(node)
    waiting = builders.job(gpus=2, max_runtime_seconds=60)
    with monkeypatch.context() as broken:
        broken.setattr(start_forecasts, "forecast", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start_forecasts.refresh_when_due()

    monkeypatch.setattr(start_forecasts.rate_limit, "_next", 0.0)  # its pause is over
    start_forecasts.refresh_when_due()

    assert StartPrediction.objects.get().job_id == waiting.pk
