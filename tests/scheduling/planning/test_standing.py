"""By what age and urgency a job stands in line: to wait for others is not to stand in line, and urgency is inherited."""

from dataclasses import replace

import pytest

from scheduling.planning.ordering import order_pending
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import HOUR, Rules
from tests.scheduling.builders import gpu_node, snapshot, waiting
from tests.scheduling.playing import Played, to_its_limit

NOW = 1_000_000.0
PRIORITY = Rules(policy="priority")
BOUND = Rules(policy="priority", bounded_wait_seconds=40 * HOUR)


def order(*jobs, rules=BOUND):
    return [job.id for job in order_pending(replace(snapshot(*jobs), rules=rules), NOW).jobs]


@pytest.mark.parametrize(
    "free_since", [{"eligible_at": NOW}, {"not_before": NOW}, {"eligible_at": NOW, "not_before": NOW - 9}]
)
def test_a_job_that_could_not_start_before_is_not_overdue(free_since):
    dependent = waiting(1, priority=0, submitted_at=NOW - 45 * HOUR, **free_since)

    assert order(dependent, waiting(2, submitted_at=NOW - 10)) == [2, 1]
    assert order(replace(dependent, not_before=None, eligible_at=None), waiting(2, submitted_at=NOW - 10)) == [1, 2]


def test_first_come_is_who_first_could_start():
    dependent = waiting(1, submitted_at=NOW - 100, eligible_at=NOW - 10)

    assert order(dependent, waiting(2, submitted_at=NOW - 50), rules=Rules(policy="fifo")) == [2, 1]


def test_what_ageing_adds_counts_from_there_too():
    dependent = waiting(1, priority=49, submitted_at=NOW - 45 * HOUR, eligible_at=NOW)

    ageing = Rules(policy="priority", ageing_points_per_hour=1.0)
    assert order(dependent, waiting(2, priority=50, submitted_at=NOW), rules=ageing) == [2, 1]


def test_a_dependency_stands_in_line_as_the_most_urgent_that_waits_for_it_over_others_too():
    first = waiting(1, queue="batch", priority=0)
    second = waiting(2, queue="batch", priority=10, unmet=(1,))
    urgent = waiting(3, queue="live", priority=90, unmet=(2,))
    others = (waiting(4, queue="live", priority=80), waiting(5, queue="default", priority=100))

    assert order(first, second, urgent, *others, rules=PRIORITY) == [1, 2, 3, 4, 5]
    assert order(first, second, *others, rules=PRIORITY) == [4, 5, 1, 2]
    assert order(first, *others, rules=PRIORITY) == [4, 5, 1]


@pytest.mark.parametrize("stuck", [{"held": "ann"}, {"broken": (77,)}])
def test_a_job_that_does_not_wait_for_it_any_more_urges_nobody(stuck):
    urgent = waiting(3, queue="live", priority=90, unmet=(1,), **stuck)

    assert order(waiting(1, queue="batch"), waiting(2), urgent, rules=PRIORITY) == [3, 2, 1]


def test_jobs_that_wait_for_each_other_do_no_harm():
    assert order(waiting(1, priority=10, unmet=(2,)), waiting(2, priority=90, unmet=(1,))) == [1, 2]


def test_the_plan_says_of_it_what_it_is_and_not_what_it_stands_for():
    """It still counts in its own queue, and under its own priority stops nobody."""
    needed = waiting(1, queue="batch", priority=0, request=Request(gpus=8))
    urgent = waiting(2, queue="live", priority=90, unmet=(1,))

    (line,) = [order_pending(snapshot(needed, urgent), NOW).jobs]
    assert [(job.id, job.queue, job.priority) for job in line] == [(1, "batch", 0), (2, "live", 90)]


def test_an_urgent_chain_is_through_before_what_came_first():
    """Played forward: one node, each job holds it for an hour."""

    def job(job_id, **more):
        return waiting(job_id, request=Request(gpus=8), max_runtime_seconds=3600, **more)

    crowd = [job(number, priority=50, submitted_at=NOW - 100) for number in range(10, 16)]
    chain = [job(1, priority=0, queue="batch"), job(2, priority=90, queue="live", unmet=(1,))]
    seen = replace(snapshot(*crowd, *chain, nodes=(gpu_node(),)), rules=BOUND)

    class Chained(Played):
        def _end(self, ended):
            super()._end(ended)
            left = tuple(replace(one, unmet=tuple(set(one.unmet) - set(ended))) for one in self.world.waiting)
            self.world = replace(self.world, waiting=left)

    played = Chained(seen, NOW, to_its_limit).until(NOW + 9 * HOUR)

    assert (played.starts[1], played.starts[2]) == (NOW, NOW + HOUR)
    assert len(played.starts) == 8


def test_without_dependencies_the_very_same_jobs_are_planned():
    assert make_plan(snapshot(waiting(1), waiting(2)), NOW) == make_plan(snapshot(waiting(2), waiting(1)), NOW)
