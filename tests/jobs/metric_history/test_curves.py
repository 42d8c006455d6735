"""What a job reported, joined over its attempts: what a later attempt did again replaces what was there."""

import math

from hypothesis import given
from hypothesis import strategies as st

from jobs.metric_history.curves import FEWEST_POINTS, curve
from jobs.models import Attempt
from jobs.models.metrics import MetricSeries


def row(number, *values, steps=None, at=0.0):
    """The series of one attempt; without `steps` the job counted none."""
    return MetricSeries(
        attempt=Attempt(number=number),
        name="loss",
        count=len(values),
        steps=list(steps) if steps is not None else [math.nan] * len(values),
        times=[at + place for place in range(len(values))],
        values=list(values),
    )


def drawn(*rows, most=100):
    made = curve("loss", rows, most)
    return [(point.step if made.over_steps else point.time, point.value) for point in made.points]


def test_a_later_attempt_goes_on_where_its_checkpoint_was_and_replaces_what_came_after():
    first = row(1, 5, 4, 3, 2, steps=[1, 2, 3, 4])
    second = row(2, 30, 20, steps=[3, 4], at=100)
    assert drawn(first, second) == [(1, 5), (2, 4), (3, 30), (4, 20)]


def test_an_attempt_that_began_anew_replaces_everything():
    assert drawn(row(1, 5, 4, steps=[1, 2]), row(2, 9, steps=[1])) == [(1, 9)]


def test_without_steps_attempts_follow_each_other_in_time():
    assert drawn(row(1, 5, 4), row(2, 3, at=100)) == [(0, 5), (1, 4), (100, 3)]


def test_where_one_attempt_counts_no_steps_or_goes_back_time_is_the_axis_and_nothing_is_dropped():
    assert len(drawn(row(1, 5, 4, steps=[1, 2]), row(2, 3, at=100))) == 3
    assert drawn(row(1, 5, 4, 3, steps=[0, 1, 0])) == [(0, 5), (1, 4), (2, 3)]


values = st.lists(st.floats(), min_size=1, max_size=300)


@given(st.lists(values, min_size=1, max_size=3), st.integers(FEWEST_POINTS, 60))
def test_a_curve_has_at_most_the_points_that_were_asked_for_its_ends_and_its_extremes(attempts, most):
    rows = [row(number, *values, at=1000.0 * number) for number, values in enumerate(attempts, 1)]
    made = curve("loss", rows, most)
    every = [value for values in attempts for value in values]
    finite = [value for value in every if math.isfinite(value)]

    assert len(made.points) <= most
    assert made.count == len(every)
    assert repr(made.points[0].value) == repr(every[0])
    assert repr(made.last) == repr(every[-1])
    assert (made.least, made.greatest) == (min(finite, default=None), max(finite, default=None))
