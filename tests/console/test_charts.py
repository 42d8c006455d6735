"""The charts on a job's page."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.admin import charts
from jobs.metric_history.curves import Curve, Point
from jobs.models.metrics import MetricSeries, ReportMark
from tests import builders
from tests.admin_pages import operator, page, queries


def chart_of(*values, attempts=None, over_steps=True):
    numbers = attempts or [1] * len(values)
    points = tuple(Point(float(step), 1e9 + step, value, numbers[step]) for step, value in enumerate(values))
    return charts.draw(Curve("loss", over_steps, len(values), points))


def places(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+) (\S+)", path)]


def test_the_line_goes_from_edge_to_edge_and_up_is_more():
    assert places(chart_of(1.0, 3.0, 2.0).path) == [(4, 76), (120, 4), (236, 40)]


def test_a_value_that_is_no_number_is_a_gap_with_a_mark():
    made = chart_of(1.0, 2.0, math.nan, 3.0, math.inf)
    assert re.sub(r"[^ML]", "", made.path) == "MLML"
    assert [mark.title for mark in made.marks] == ["nan at step 2", "inf at step 4"]
    assert made.sentence == ("loss: last inf, between 1 and 3, step 0 to step 4, 2 of the values drawn are no numbers")


def test_it_shows_where_a_later_attempt_went_on():
    assert chart_of(3.0, 2.0, 1.0, attempts=[1, 1, 2]).seams == (236,)


def test_without_steps_it_is_drawn_over_time():
    assert chart_of(1.0, 2.0, over_steps=False).begins == "2001-09-09 01:46:40 UTC"


@given(st.lists(st.floats(), min_size=1, max_size=30))
def test_whatever_was_reported_the_line_stays_in_its_box(values):
    made = chart_of(*values)
    assert all(0 <= x <= 240 and 0 <= y <= 80 for x, y in places(made.path))
    assert len(made.marks) == sum(not math.isfinite(value) for value in values)


@pytest.mark.django_db
def test_a_page_has_a_chart_for_each_metric_with_its_last_value_and_says_what_was_refused():
    job = builders.running_job()
    kept(job.attempts.get(), "<loss>", [2.5, 0.25])
    ReportMark.objects.create(attempt=job.attempts.get(), offset=0, refused=3)

    html = page(operator(), f"/admin/jobs/job/{job.pk}/change/")

    assert "<b>&lt;loss&gt;</b> <span>0.25</span>" in html
    assert 'aria-label="&lt;loss&gt;: last 0.25, between 0.25 and 2.5, step 0 to step 1"' in html
    assert "3 lines or values of its reports could not be used." in html


@pytest.mark.django_db
def test_a_page_takes_the_same_queries_however_much_was_reported():
    client, few, many = operator(), builders.running_job(), builders.running_job()
    kept(few.attempts.get(), "loss", [1.0])
    for number in range(30):
        kept(many.attempts.get(), f"m{number}", [1.0] * 200)
    assert queries(client, f"/admin/jobs/job/{few.pk}/change/") == queries(client, f"/admin/jobs/job/{many.pk}/change/")
    assert "6 more: <code>trainyard metrics" in page(client, f"/admin/jobs/job/{many.pk}/change/")


def kept(attempt, name, values):
    places = [float(place) for place in range(len(values))]
    MetricSeries.objects.create(
        attempt=attempt, name=name, count=len(values), steps=places, times=places, values=values
    )  # fmt: skip
