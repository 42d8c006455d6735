"""Made-up jobs: the same ones each time, of the sizes and run times that the model promises."""

from statistics import fmean

import pytest

from simulator.synthetic import BUCKETS, ROUND_WALLTIMES, Recipe, day_cycle, generate, recipe
from simulator.trace import SimulationError


@pytest.fixture(scope="module")
def thousands():
    return generate(Recipe(5000, 3), 128)


def test_a_recipe_is_told_from_the_name_of_a_file():
    assert recipe("synthetic:50") == Recipe(50)
    assert recipe("synthetic:50:7") == Recipe(50, 7)
    assert recipe("traces/kth.swf") is None


@pytest.mark.parametrize("text", ["synthetic", "synthetic:", "synthetic:0", "synthetic:ten", "synthetic:1:2:3"])
def test_a_recipe_that_is_none_is_refused(text):
    with pytest.raises(SimulationError, match="write synthetic:JOBS or synthetic:JOBS:SEED"):
        recipe(text)


def test_the_same_seed_makes_the_same_jobs():
    assert generate(Recipe(100, 1)) == generate(Recipe(100, 1))
    assert generate(Recipe(100, 1)) != generate(Recipe(100, 2))


def test_jobs_come_in_order_and_fit_the_machine(thousands):
    submitted = [job.submit_s for job in thousands]

    assert submitted == sorted(submitted)
    assert all(1 <= job.cpus <= 128 for job in thousands)
    assert all(1 <= job.run_s <= 162_755 for job in thousands)  # e^12
    assert all(job.walltime_s in ROUND_WALLTIMES for job in thousands)
    assert all(job.walltime_s >= job.run_s for job in thousands)


def test_a_quarter_is_serial_and_most_others_are_powers_of_two(thousands):
    serial = fmean(job.cpus == 1 for job in thousands)
    powers = fmean(job.cpus > 1 and job.cpus & (job.cpus - 1) == 0 for job in thousands)

    assert serial == pytest.approx(0.244, abs=0.03)
    assert powers == pytest.approx(0.576 + 0.03, abs=0.05)  # some of the others are one by chance


def test_wide_jobs_run_longer(thousands):
    narrow = fmean(job.run_s for job in thousands if job.cpus <= 8)
    wide = fmean(job.run_s for job in thousands if job.cpus >= 64)

    assert wide > narrow


def test_most_jobs_come_by_day():
    cycle = day_cycle()

    assert len(cycle) == BUCKETS
    assert fmean(cycle) == pytest.approx(1)
    assert min(cycle[20:40]) > max(cycle[6:14])  # 10:00 to 20:00 against 3:00 to 7:00


def test_some_users_have_more_jobs_than_others(thousands):
    owners = [job.user for job in thousands]

    assert owners.count("user-1") > 5 * owners.count("user-50") > 0


def test_some_jobs_are_urgent_and_some_are_due(thousands):
    due = [job for job in thousands if job.deadline_s is not None]

    assert fmean(job.priority == 80 for job in thousands) == pytest.approx(0.1, abs=0.02)
    assert fmean(job.priority == 20 for job in thousands) == pytest.approx(0.3, abs=0.03)
    assert len(due) / len(thousands) == pytest.approx(1 / 3, abs=0.03)
    assert all(2 * job.walltime_s <= job.deadline_s - job.submit_s <= 20 * job.walltime_s for job in due)


def test_a_machine_too_small_for_the_model_is_refused():
    with pytest.raises(SimulationError, match="needs a machine of 8 processors or more, not 4"):
        generate(Recipe(10), 4)
