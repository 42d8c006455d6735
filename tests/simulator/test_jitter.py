"""Arrivals are moved a little, always alike, and the figures beside each other say how much that does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.experiment import Window, prepare
from simulator.jitter import FIGURES, Spread, moved, ratio_spreads, spreads
from simulator.processes import replay_with_jitter
from simulator.settings import Rules, Settings

FIFO, SJF = (Settings(Rules(policy=name, explain=False)) for name in ("fifo", "sjf"))


@pytest.fixture(scope="module")
def busy():
    return prepare("synthetic:60", processors=16, windows=[Window(0, 30), Window(10, 50)])


def arrivals(experiment):
    return [[job.trace.submit_s for job in window] for window in experiment.windows]


@given(seed=st.integers(0, 1000))
def test_each_job_comes_up_to_a_minute_earlier_or_later_than_the_others_do_and_is_else_the_same(busy, seed):
    for window, original in zip(moved(busy, seed).windows, busy.windows, strict=True):
        before = {job.number: job for job in original}
        assert len(window) == len(before)
        for job in window:
            shift = job.trace.submit_s - before[job.number].trace.submit_s
            due = before[job.number].trace.deadline_s
            trace = replace(job.trace, submit_s=job.trace.submit_s - shift, deadline_s=due)
            assert 0 <= shift <= 120
            assert replace(job, trace=trace) == before[job.number]
            assert job.trace.deadline_s == (None if due is None else due + shift)


def test_they_stand_in_the_order_of_their_new_arrivals_and_some_have_changed_places(busy):
    shaken = moved(prepare("synthetic:400"), 1)

    assert arrivals(shaken) == [sorted(arrivals(shaken)[0])]
    assert [job.number for job in shaken.windows[0]] != list(range(400))


def test_a_seed_always_moves_them_alike_and_another_one_otherwise(busy):
    assert arrivals(moved(busy, 1)) == arrivals(moved(busy, 1)) != arrivals(moved(busy, 2))


def test_replays_in_other_processes_give_the_same_figures_whoever_does_which(busy):
    heard: list[int] = []

    replays = replay_with_jitter(busy, [FIFO, SJF], 2, heard.append)

    assert replays == [[moved(busy, seed).run(one).metrics for seed in (1, 2)] for one in (FIFO, SJF)]
    assert heard == [1, 2, 3, 4]


@pytest.fixture(scope="module")
def three(busy):
    figures = busy.run(FIFO).metrics
    return [replace(figures, mean_wait_s=wait, max_wait_s=0) for wait in (10, 40, 20)]


def test_of_several_replays_the_middle_and_the_worst_are_told(three):
    told = spreads(three)

    assert tuple(told) == FIGURES
    assert told["mean_wait_s"] == Spread(median=20, worst=40)


def test_figures_are_held_against_those_of_the_same_arrivals(three):
    others = [replace(one, mean_wait_s=wait) for one, wait in zip(three, (20, 20, 20), strict=True)]

    assert ratio_spreads(three, others)["mean_wait_s"] == Spread(median=1, worst=2)


def test_nothing_is_a_part_of_nothing(three):
    assert ratio_spreads(three, three)["max_wait_s"] is None
