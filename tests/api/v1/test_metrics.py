"""GET /jobs/{id}/metrics."""

import math

import pytest

from jobs.models.metrics import MetricSeries, ReportMark
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def kept(attempt, name="loss", values=(2.0, 1.0), first_step=1, refused=0):
    """What the attempt reported, a value a step."""
    ReportMark.objects.get_or_create(attempt=attempt, defaults={"offset": 0, "refused": refused})
    count = len(values)
    steps, times = [float(first_step + place) for place in range(count)], [1e9 + place for place in range(count)]
    MetricSeries.objects.create(
        attempt=attempt, name=name, count=count, steps=steps, times=times, values=list(values)
    )  # fmt: skip


def metrics(client, job, **query):
    answer = client.get(f"{V1}/jobs/{job.pk}/metrics", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_every_metric_comes_with_its_values_and_what_to_draw_them_over(staff):
    job = builders.running_job()
    kept(job.attempts.get(), refused=3)
    kept(job.attempts.get(), name="accuracy", values=(0.5, math.nan, math.inf))

    answer = metrics(staff, job)

    assert (answer["job"], answer["names"], answer["refused"]) == (job.pk, ["accuracy", "loss"], 3)
    accuracy, loss = answer["series"]
    assert loss == {
        "name": "loss", "axis": "step", "count": 2, "minimum": 1, "maximum": 2, "last": 1, "steps": [1, 2],
        "times": [1e9, 1e9 + 1], "values": [2, 1], "attempts": [1, 1], "gaps": [],
    }  # fmt: skip
    assert (accuracy["values"], accuracy["last"], accuracy["maximum"]) == ([0.5, None, None], None, 0.5)
    assert accuracy["gaps"] == [{"index": 1, "value": "NaN"}, {"index": 2, "value": "Infinity"}]


def test_a_job_that_reported_nothing_has_no_metrics(staff):
    job = builders.job()
    assert metrics(staff, job) == {"job": job.pk, "names": [], "refused": 0, "series": []}


def test_one_may_ask_for_some_metrics_and_for_one_attempt(staff):
    job = builders.job(state="queued")
    first = builders.attempt(job=job, ended_at=job.created_at)
    kept(first, values=(3, 2, 1))
    kept(first, name="accuracy")
    kept(builders.attempt(job=job), values=(20, 10), first_step=2)

    def values(**query):
        return {one["name"]: one["values"] for one in metrics(staff, job, **query)["series"]}

    assert values(name="loss") == {"loss": [3, 20, 10]}
    assert values(name="loss", attempt=1) == {"loss": [3, 2, 1]}
    assert list(values(name=["loss", "accuracy"])) == ["accuracy", "loss"]
    assert values(name="no such metric") == {}


def test_a_curve_has_no_more_points_than_were_asked_for(staff):
    job = builders.running_job()
    kept(job.attempts.get(), values=[float(place) for place in range(500)])
    loss = metrics(staff, job, points=50)["series"][0]
    assert (loss["count"], loss["values"][0], loss["values"][-1]) == (500, 0, 499)
    assert 25 <= len(loss["values"]) <= 50


@pytest.mark.parametrize(
    ("query", "field"),
    [("points=5", "points"), ("points=many", "points"), ("points=1001", "points"), ("attempt=0", "attempt"),
     ("names=loss", "names"), ("name=" + "x" * 101, "name"), ("name=a%00b", "name"), ("name=", "name")],
)  # fmt: skip
def test_a_question_that_cannot_be_is_refused_by_name(staff, query, field):
    answer = staff.get(f"{V1}/jobs/{builders.job().pk}/metrics?{query}")
    assert answer.status_code == 400
    assert [name.partition("[")[0] for name in faults(answer)] == [field]


def test_an_attempt_that_never_was_is_not_found(staff):
    assert staff.get(f"{V1}/jobs/{builders.job().pk}/metrics?attempt=7").status_code == 404


def test_somebody_elses_job_shows_nothing():
    job = builders.running_job()
    kept(job.attempts.get())
    assert client_of(builders.user()).get(f"{V1}/jobs/{job.pk}/metrics").status_code == 404
    assert client_of().get(f"{V1}/jobs/{job.pk}/metrics").status_code == 401


def test_more_attempts_and_metrics_take_no_more_statements(staff, django_assert_max_num_queries):
    job = builders.job(state="queued")
    for number in range(6):
        attempt = builders.attempt(job=job, ended_at=job.created_at)
        for metric in range(5):
            kept(attempt, name=f"m{metric}", first_step=number)
    with django_assert_max_num_queries(4):  # the job, names, refused, series
        assert len(metrics(staff, job)["series"]) == 5
