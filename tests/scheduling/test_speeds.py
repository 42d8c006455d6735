"""How fast machines are, as it is learned from jobs that have ended."""

from math import isclose

import hypothesis.strategies as st
import pytest
from hypothesis import given

from scheduling.speeds import Speeds


def learned(*runs):
    speeds = Speeds()
    for kind, hardware, seconds in runs:
        speeds.observe(kind, hardware, seconds)
    return speeds


def ratio(speeds, kind, one, other):
    return speeds.expect(kind, one).times / speeds.expect(kind, other).times


def test_without_any_run_all_types_are_alike():
    assert not Speeds()
    assert Speeds().expect("train", "H100") == (1.0, 0)


def test_a_kind_that_has_run_on_both_knows_how_they_compare():
    speeds = learned(*[("train", "H100", 100), ("train", "A100", 200)] * 20)

    assert ratio(speeds, "train", "A100", "H100") == pytest.approx(2.0, rel=0.1)
    assert speeds.expect("train", "A100").runs == 20


def test_a_kind_that_never_ran_there_takes_what_the_type_does_to_all():
    others = [(kind, hardware, seconds) for kind in "abc" for hardware, seconds in (("H100", 100), ("A100", 300))]
    speeds = learned(*others * 10, ("new", "H100", 50))

    assert ratio(speeds, "new", "A100", "H100") == pytest.approx(3.0, rel=0.15)
    assert ratio(speeds, "unheard of", "A100", "H100") == pytest.approx(3.0, rel=0.15)
    assert speeds.expect("new", "A100").runs == 0


def test_a_few_runs_of_its_own_move_it_only_part_of_the_way():
    """For all others A100 takes three times as long; for this kind, by one run on each, the same."""
    others = [(kind, hardware, seconds) for kind in "abc" for hardware, seconds in (("H100", 100), ("A100", 300))]
    one = learned(*others * 10, ("odd", "H100", 60), ("odd", "A100", 60))
    many = learned(*others * 10, *[("odd", "H100", 60), ("odd", "A100", 60)] * 20)

    assert 1.3 < ratio(one, "odd", "A100", "H100") < 2.7
    assert ratio(many, "odd", "A100", "H100") < ratio(one, "odd", "A100", "H100")
    assert ratio(many, "odd", "A100", "H100") == pytest.approx(1.0, abs=0.2)


def test_it_follows_jobs_that_change():
    speeds = learned(*[("train", "H100", 100), ("train", "A100", 400)] * 20)
    before = ratio(speeds, "train", "A100", "H100")
    for _ in range(60):
        speeds.observe("train", "A100", 100)

    assert before > 3.5
    assert ratio(speeds, "train", "A100", "H100") < 1.4


runs = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["H100", "A100", "T4"]), st.floats(0, 1e7)), max_size=40
)


@given(runs, st.sampled_from(["a", "b", "other"]))
def test_what_is_written_down_says_the_same_and_every_answer_is_a_number_above_nought(made, kind):
    speeds = learned(*made)
    again = Speeds.from_data(speeds.as_data())

    for hardware in ("H100", "A100", "T4", "new"):
        assert again.expect(kind, hardware) == speeds.expect(kind, hardware)
        assert 0 < speeds.expect(kind, hardware).times < 1e8


@given(runs)
def test_a_kind_that_runs_on_one_type_alone_changes_nothing_for_others(made):
    speeds = learned(*made)
    before = {hardware: speeds.expect("other", hardware) for hardware in ("H100", "A100")}
    for _ in range(5):
        speeds.observe("lonely", "H100", 1e6)

    assert all(isclose(speeds.expect("other", name).times, one.times) for name, one in before.items())
