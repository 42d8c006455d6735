"""Charged seconds: what they are of, and how they decay."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.resources import Resources
from scheduling.sharing.fair_tree import decayed
from scheduling.sharing.usage_decay import decayed_seconds, gpu_equivalents, time_constant

times = st.floats(0, 1e7)
half_lives = st.floats(60, 1e8)


@given(first=times, second=times, half_life=half_lives)
def test_decay_in_steps_equals_decay_at_once(first, second, half_life):
    in_steps = decayed(decayed_seconds(first, half_life), second, half_life) + decayed_seconds(second, half_life)
    assert in_steps == pytest.approx(decayed_seconds(first + second, half_life), rel=1e-9, abs=1e-6)


@given(used=st.floats(0, 1e9), first=times, second=times, half_life=half_lives)
def test_a_record_that_is_brought_up_to_date_twice_is_worth_as_much_as_once(used, first, second, half_life):
    twice = decayed(decayed(used, first, half_life), second, half_life)
    assert twice == pytest.approx(decayed(used, first + second, half_life), rel=1e-9, abs=1e-6)


def test_a_short_time_counts_in_full_and_for_ever_at_most_one_lifetime():
    assert decayed_seconds(60, 7 * 86_400) == pytest.approx(60, rel=1e-4)
    assert decayed_seconds(1e12, 100) == pytest.approx(time_constant(100)) == pytest.approx(100 / math.log(2))
    assert decayed_seconds(-5, 100) == 0


@pytest.mark.parametrize(
    ("amount", "width"),
    [(Resources(8), 1), (Resources(64, 10**6, 2), 8), (Resources(4, 0, 2), 2), (Resources(1, gpu_milli=500), 0.5)],
)
def test_the_dearer_of_gpus_and_cpus_is_charged(amount, width):
    assert gpu_equivalents(amount) == width
