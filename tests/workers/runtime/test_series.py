"""Series of bounded length: what thinning keeps, whatever was reported."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.series import CAPACITY, STRETCHES, Series, SeriesSet, axis, kept_points

anything = st.floats(width=32) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])
positions = st.lists(st.floats(-(2.0**53), 2.0**53), min_size=1, max_size=80)


def series_of(values, *, step=float, time=float):
    made = Series()
    for number, value in enumerate(values):
        made.add(step=step(number), time=time(number), value=value)
    return made


@given(st.data(), positions, st.integers(1, 20))
def test_thinning_keeps_ends_and_extremes_and_no_more_than_three_for_each_stretch(data, where, stretches):
    values = data.draw(st.lists(anything, min_size=len(where), max_size=len(where)))
    places = kept_points(where, values, stretches)
    finite = [value for value in values if math.isfinite(value)]
    left = [values[place] for place in places]

    assert places == sorted(set(places))
    assert {0, len(values) - 1} <= set(places)
    assert len(places) <= 3 * stretches + 2
    assert not finite or (min(finite), max(finite)) == (
        min(value for value in left if math.isfinite(value)),
        max(value for value in left if math.isfinite(value)),
    )
    assert any(map(math.isfinite, values)) == any(map(math.isfinite, left))
    assert all(map(math.isfinite, values)) == all(map(math.isfinite, left))


def test_a_long_series_stays_short_and_as_sharp_at_its_beginning_as_at_its_end():
    made = series_of([float(number % 100) for number in range(100_000)])

    assert made.count == 100_000
    assert len(made.values) <= CAPACITY
    early = sum(step < 20_000 for step in made.steps)
    late = sum(60_000 <= step < 80_000 for step in made.steps)
    assert STRETCHES / 5 <= early <= 1.5 * late


def test_a_single_peak_survives_however_long_the_run():
    values = [1.0] * 50_000
    values[777], values[40_000] = 9.0, -9.0
    made = series_of(values)
    assert {(777.0, 9.0), (40_000.0, -9.0)} <= set(zip(made.steps, made.values, strict=True))


def test_the_same_reports_give_the_same_series_wherever_an_agent_was_restarted():
    values = [math.sin(number / 50) for number in range(5000)]
    straight = series_of(values)
    before = series_of(values[:1234])
    copy = Series(before.steps[:], before.times[:], before.values[:], before.count)
    for number in range(1234, 5000):
        copy.add(step=float(number), time=float(number), value=values[number])
    assert copy == straight


@pytest.mark.parametrize(
    ("steps", "drawn_over"),
    [
        ([1.0, 2.0, 2.0, 7.0], "steps"),
        ([5.0], "steps"),
        ([math.nan], "times"),
        ([math.nan] * 3, "times"),
        ([1.0, 2.0, 0.0], "times"),
    ],
)
def test_a_series_is_drawn_over_its_steps_if_they_only_go_on(steps, drawn_over):
    times = [float(number) for number in range(len(steps))]
    assert axis(steps, times) is {"steps": steps, "times": times}[drawn_over]


def test_a_step_that_never_changes_keeps_a_series_short_all_the_same():
    made = series_of([float(number) for number in range(5000)], step=lambda _: 3.0)
    assert (len(made.values) <= CAPACITY, made.values[0], made.values[-1]) == (True, 0, 4999)


def test_a_metric_without_a_step_belongs_to_the_last_one_and_what_came_before_any_to_the_first():
    book = SeriesSet()
    book.note({"loss": 3.0}, step=None, time=1)
    book.note({"loss": 2.0}, step=100, time=2)
    book.note({"accuracy": 0.5}, step=None, time=3)
    assert list(book.series["loss"].steps) == [100, 100]
    assert list(book.series["accuracy"].steps) == [100]
    assert book.changed == {"loss", "accuracy"}


def test_without_steps_the_time_is_all_there_is():
    book = SeriesSet()
    book.note({"loss": 3.0}, step=None, time=1)
    book.note({"loss": 2.0}, step=None, time=2)
    assert all(map(math.isnan, book.series["loss"].steps))
    assert list(book.series["loss"].times) == [1, 2]
