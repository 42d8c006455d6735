"""What jobs report over time, on its way to the database and back."""

import json
import math
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from executors.run.placement_run import PlacementRun
from executors.upload import progress, series
from jobs.attempts.claims import PlacementSpec
from jobs.metric_history import store
from jobs.models.metrics import MetricSeries, ReportMark
from tests import builders
from workers.runtime.shim.clock import boottime

pytestmark = pytest.mark.django_db


def run_of(job, folder):
    """The job's latest attempt as its agent sees it."""
    attempt = job.attempts.last()
    claimed = PlacementSpec(
        placement_id=attempt.pk, token=str(attempt.token), job_id=job.pk, job_name=job.name, attempt_id=attempt.pk,
        attempt=attempt.number, project=job.project.slug, command=("true",), working_dir="", env={}, cpus=1, memory_mb=0,
        gpu_indices=(), max_runtime_seconds=None,
    )  # fmt: skip
    return PlacementRun(claimed, folder, lease_deadline=boottime() + 60)


@pytest.fixture
def job():
    return builders.running_job()


@pytest.fixture
def run(job, tmp_path):
    return run_of(job, tmp_path)


def said(run, *lines):
    with (run.folder / "report.jsonl").open("a") as file:
        file.writelines(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)


def stored(job, name="loss"):
    row = MetricSeries.objects.get(attempt=job.attempts.last(), name=name)
    return list(zip(row.steps, row.values, strict=True))


def test_what_a_job_reports_is_kept_as_series(run, job):
    said(run, {"step": 1, "loss": 2.5, "phase": "warm-up"}, {"step": 2, "loss": 1.5, "accuracy": 0.5})

    progress.ship_progress([run], to_the_end=True)

    assert stored(job) == [(1, 2.5), (2, 1.5)]
    assert stored(job, "accuracy") == [(2, 0.5)]
    assert set(MetricSeries.objects.values_list("name", flat=True)) == {"loss", "accuracy"}
    assert MetricSeries.objects.get(name="loss").times[-1] == pytest.approx(time.time(), abs=60)


def test_many_jobs_take_one_statement(tmp_path, django_assert_num_queries):
    runs = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        runs.append(run_of(builders.running_job(), tmp_path / str(number)))
        said(runs[-1], {"step": 1, "loss": number, "accuracy": 0.5})
    progress._write_progress(runs)

    with django_assert_num_queries(1):
        series.ship(runs)

    assert sorted(MetricSeries.objects.filter(name="loss").values_list("values", flat=True)) == [[0], [1], [2]]


def test_series_travel_now_and_then_and_whole_at_the_end(run, job, django_assert_num_queries):
    said(run, {"step": 1, "loss": 3})
    progress.ship_progress([run])
    said(run, {"step": 2, "loss": 2})
    progress.ship_progress([run])
    assert stored(job) == [(1, 3)]

    said(run, {"step": 3, "loss": 1})
    progress.ship_progress([run], to_the_end=True)
    assert stored(job) == [(1, 3), (2, 2), (3, 1)]
    with django_assert_num_queries(0):
        progress.ship_progress([run], to_the_end=True)


@pytest.mark.parametrize("stale", ["ended", "token"])
def test_a_stale_attempt_writes_nothing(run, job, stale):
    change = {"ended_at": timezone.now()} if stale == "ended" else {"token": "0" * 32}
    job.attempts.update(**change)
    said(run, {"step": 1, "loss": 2.5})

    progress.ship_progress([run], to_the_end=True)

    assert not MetricSeries.objects.exists()
    assert not ReportMark.objects.exists()


def test_a_forged_token_takes_nothing_from_who_reports_truly(run, job, tmp_path):
    (tmp_path / "other").mkdir()
    honest = run_of(builders.running_job(), tmp_path / "other")
    job.attempts.update(token="0" * 32)
    said(run, {"step": 1, "loss": 1})
    said(honest, {"step": 1, "loss": 2})

    progress.ship_progress([run, honest], to_the_end=True)

    assert MetricSeries.objects.get().attempt_id == honest.claimed.attempt_id


def test_what_is_no_number_is_kept_as_such(run, job):
    said(run, '{"step": 1, "loss": NaN}', '{"step": 2, "loss": "Infinity"}', '{"step": 3, "loss": -1e999}')

    progress.ship_progress([run], to_the_end=True)

    (_, first), *others = stored(job)
    assert math.isnan(first)
    assert others == [(2, math.inf), (3, -math.inf)]


def test_lines_that_cannot_be_used_are_counted(run, job):
    said(run, "loss=1", '{"loss": ', {"step": 1, "loss": 1, "list": [1]})

    progress.ship_progress([run], to_the_end=True)

    assert ReportMark.objects.get().refused == 3
    assert stored(job) == [(1, 1)]


def test_an_agent_that_is_restarted_goes_on_where_the_last_one_stood(run, job):
    said(run, {"step": 1, "loss": 3}, {"accuracy": 0.1}, "nonsense")
    progress.ship_progress([run], to_the_end=True)
    before = MetricSeries.objects.get(name="loss").times
    said(run, {"step": 2, "loss": 2})
    with (run.folder / "report.jsonl").open("a") as file:
        file.write('{"step": 3,')

    heir = run_of(job, run.folder)
    series.resume(heir)
    progress.ship_progress([heir], to_the_end=True)
    with (run.folder / "report.jsonl").open("a") as file:
        file.write(' "loss": 1}\n')
    progress.ship_progress([heir], to_the_end=True)

    assert stored(job) == [(1, 3), (2, 2), (3, 1)]
    row = MetricSeries.objects.get(name="loss")
    assert (row.count, row.times[:1], ReportMark.objects.get().refused) == (3, before, 1)
    assert stored(job, "accuracy") == [(1, 0.1)]


def test_a_hundred_metrics_are_kept_and_the_others_counted(run, job):
    said(run, {f"m{number}": 1 for number in range(70)}, {f"m{number}": 1 for number in range(150)})

    progress.ship_progress([run], to_the_end=True)
    job.refresh_from_db()

    assert (MetricSeries.objects.count(), len(job.metrics)) == (100, 100)
    assert ReportMark.objects.get().refused == 50


def test_a_report_that_grew_faster_than_it_was_read_is_read_to_its_end(run, job):
    padding = "x" * 900
    said(run, *({"step": number, "loss": number, "text": padding} for number in range(3000)))

    progress.ship_progress([run], to_the_end=True)
    job.refresh_from_db()

    assert stored(job)[-1] == (2999, 2999)
    assert job.metrics["loss"] == 2999


def test_old_series_are_deleted_and_those_of_others_stay(run, job, settings, tmp_path):
    (tmp_path / "other").mkdir()
    other = run_of(builders.running_job(), tmp_path / "other")
    for one in (run, other):
        said(one, {"loss": 1})
    progress.ship_progress([run, other], to_the_end=True)
    long_ago = timezone.now() - timedelta(days=settings.METRIC_RETENTION_DAYS + 1)
    type(job).objects.filter(pk=job.pk).update(state="completed", finished_at=long_ago)

    assert store.prune() == 1
    assert list(MetricSeries.objects.values_list("attempt_id", flat=True)) == [other.claimed.attempt_id]
    assert ReportMark.objects.count() == 1
