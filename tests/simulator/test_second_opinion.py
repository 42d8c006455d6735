"""The planner against the textbook: every job of a busy machine starts at the same second."""

import pytest

from simulator.cleaning import clean
from simulator.settings import RunTimes, Ties
from simulator.synthetic import Recipe, generate
from tests.simulator.builders import replayed, starts
from tests.simulator.reference import plan_by_the_book

PROCESSORS = 64
JOBS = clean(generate(Recipe(250, 5), PROCESSORS)).jobs


@pytest.mark.parametrize("ties", list(Ties))
@pytest.mark.parametrize(
    ("backfill", "run_times"),
    [("none", "requested"), ("easy", "requested"), ("sjbf", "requested"), ("sjbf", "exact")],
)
def test_first_come_first_served_with_and_without_backfilling(backfill, run_times, ties):
    settings = {"backfill": backfill, "run_times": RunTimes(run_times), "ties": ties}

    ours = replayed(JOBS, PROCESSORS, **settings)
    by_the_book = replayed(JOBS, PROCESSORS, **settings, planner=plan_by_the_book)

    assert starts(ours) == starts(by_the_book)
    assert any(one.wait_s for one in ours.jobs)
