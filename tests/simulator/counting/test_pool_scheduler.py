"""The scheduler of a pool by itself, with the answers worked out by hand."""

import pytest

from scheduling.rules import Backfill
from simulator.counting.overdue import BoundedOverdue
from simulator.counting.pool_job import PoolJob
from simulator.counting.pool_scheduler import PoolScheduler


def asking(number, width, limit, *, place=None, submitted_at=0.0, **more):
    """First come first served, unless a place is named."""
    return PoolJob(number, width, limit, submitted_at, (number if place is None else place, number), **more)


def numbers(started):
    return [one.number for one in started]


def arrive(scheduler, *jobs):
    for job in jobs:
        scheduler.arrive(job)


def test_jobs_start_in_order_as_long_as_they_fit():
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 1, 10), asking(1, 3, 10), asking(2, 1, 10))

    assert numbers(scheduler.plan(0)) == [0, 1]
    assert scheduler  # job 2 waits


def test_what_a_job_held_is_free_when_it_ends():
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 4, 10), asking(1, 4, 10))
    scheduler.plan(0)

    scheduler.end(0)

    assert numbers(scheduler.plan(3)) == [1]


def test_who_is_gone_before_the_first_in_line_can_start_goes_before_it():
    """Job 1 can start at 100. Job 2 would still be there; 3 and 4 are not, and only one of them fits."""
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 3, 100), asking(1, 4, 50), asking(2, 1, 101), asking(3, 1, 100), asking(4, 1, 5))

    assert numbers(scheduler.plan(0)) == [0, 3]


def test_who_takes_only_what_is_left_over_may_stay():
    """When job 1 starts at 100 one processor is left over, for one of 2 and 3."""
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 2, 100), asking(1, 3, 50), asking(2, 1, 999), asking(3, 1, 999))

    assert numbers(scheduler.plan(0)) == [0, 2]


def test_who_comes_later_may_be_gone_just_as_the_first_in_line_can_start():
    """The plan at 10 looks at the new ones alone: nothing has changed for job 1, which can start at 100."""
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 2, 100), asking(1, 4, 50), asking(2, 1, 101))
    scheduler.plan(0)
    arrive(scheduler, asking(3, 1, 91), asking(4, 1, 90))

    assert numbers(scheduler.plan(10)) == [4]


def test_who_comes_later_and_goes_first_is_looked_at_first():
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 2, 100), asking(1, 4, 50), asking(2, 1, 101))
    scheduler.plan(0)
    arrive(scheduler, asking(3, 2, 500, place=-1))

    assert numbers(scheduler.plan(10)) == [3]


@pytest.mark.parametrize(("backfill", "beside"), [("none", []), ("easy", [2]), ("sjbf", [3])])
def test_backfilling_goes_by_the_line_or_by_what_is_expected_of_run_times(backfill, beside):
    scheduler = PoolScheduler(4, Backfill(backfill))
    line = asking(1, 4, 50), asking(2, 1, 60, expected=60.0), asking(3, 1, 60, expected=30.0)
    arrive(scheduler, asking(0, 3, 100), *line)

    assert numbers(scheduler.plan(0)) == [0, *beside]


def test_who_stays_beyond_the_limit_is_taken_to_stay_as_long_again():
    """Ten seconds late at 30, job 0 is expected at 40: job 2 may stay until then."""
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 3, 20))
    scheduler.plan(0)
    arrive(scheduler, asking(1, 4, 50), asking(2, 1, 11), asking(3, 1, 10))

    assert numbers(scheduler.plan(30)) == [3]


def test_a_place_in_line_may_change():
    scheduler = PoolScheduler(4)
    arrive(scheduler, asking(0, 4, 10), asking(1, 4, 10), asking(2, 4, 10))
    scheduler.plan(0)

    scheduler.reorder(asking(2, 4, 10, place=0))
    scheduler.end(0)

    assert numbers(scheduler.plan(5)) == [2]


def test_the_oldest_of_those_that_have_waited_for_their_bounds_go_ahead():
    """Jobs 1 to 3 are overdue at 60, and two of them go before job 4, which by place is the first."""
    scheduler = PoolScheduler(4, overdue=BoundedOverdue(2))
    arrive(scheduler, asking(0, 4, 10))
    scheduler.plan(0)
    overdue = (asking(number, 1, 10, place=9 - number, submitted_at=number, bound=50) for number in (1, 2, 3))
    arrive(scheduler, *overdue, asking(4, 2, 10, place=0, submitted_at=59, bound=50))

    scheduler.end(0)

    assert numbers(scheduler.plan(60)) == [1, 2, 4]


def test_who_has_waited_for_twice_the_bound_goes_before_older_ones():
    scheduler = PoolScheduler(1, overdue=BoundedOverdue(2))
    arrive(scheduler, asking(0, 1, 10))
    scheduler.plan(0)
    arrive(scheduler, asking(1, 1, 10, submitted_at=1, bound=50), asking(2, 1, 10, submitted_at=2, bound=20))

    scheduler.end(0)

    assert numbers(scheduler.plan(60)) == [2]
