"""The energy of processors, shared among commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.hardware.cpu_energy import Counter
from workers.runtime.cpu_energy import CpuEnergy

MOST = 10**9


class Meter:
    """A package whose counter the test moves; in joules."""

    def __init__(self) -> None:
        self.joules = 0.0
        self.readable = True

    def __call__(self):
        return {"intel-rapl:0": Counter(int(self.joules * 1e6) % MOST, MOST)} if self.readable else {}


@pytest.fixture
def meter():
    return Meter()


def test_it_is_shared_by_the_processor_time_since_the_last_look(meter):
    energy = CpuEnergy(meter)
    energy.look(100.0, {1: 10.0})
    meter.joules = 90
    assert energy.look(110.0, {1: 12.0, 2: 1.0}) == {1: 60.0, 2: 30.0}


def test_what_is_used_while_nobody_works_is_nobodys(meter):
    energy = CpuEnergy(meter)
    energy.look(100.0, {1: 10.0})
    meter.joules = 90
    assert energy.look(110.0, {1: 10.0}) == {1: 0.0}


def test_a_command_of_an_earlier_agent_brings_nothing_of_what_it_used_before(meter):
    energy = CpuEnergy(meter)
    energy.look(100.0, {})
    energy.recall(1, 5000.0)
    meter.joules = 90
    assert energy.look(110.0, {1: 5001.0, 2: 2.0}) == {1: 30.0, 2: 60.0}


def test_of_a_time_that_was_too_long_or_unreadable_nobody_knows(meter):
    energy = CpuEnergy(meter)
    energy.look(100.0, {1: 1.0})
    assert energy.look(200.0, {1: 2.0}) is None
    meter.readable = False
    assert energy.look(210.0, {1: 3.0}) is None
    meter.readable = True
    assert energy.look(220.0, {1: 4.0}) is None
    meter.joules = 7
    assert energy.look(230.0, {1: 5.0}) == {1: 7.0}


def test_without_a_counter_it_is_known_from_the_start_that_there_is_none(meter):
    meter.readable = False
    assert not CpuEnergy(meter).is_there


steps = st.lists(
    st.tuples(st.floats(0, 900), st.dictionaries(st.integers(1, 4), st.integers(0, 100), min_size=1)),
    min_size=1, max_size=9,
)  # fmt: skip


@given(steps)
def test_together_they_have_all_that_was_used_while_somebody_worked(course):
    used: dict[int, float] = {}
    meter, now, expected, got = Meter(), 1.0, 0.0, 0.0
    energy = CpuEnergy(meter)
    energy.look(now, {})
    for joules, worked in course:
        meter.joules, now = meter.joules + joules, now + 10
        used = {one: used.get(one, 0.0) + worked.get(one, 0.0) for one in used | worked}
        shares = energy.look(now, used)
        assert all(share >= 0 for share in shares.values())
        expected, got = expected + (joules if any(worked.values()) else 0), got + sum(shares.values())
    assert got == pytest.approx(expected, abs=1e-3)
