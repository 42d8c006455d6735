"""Who is looked at first."""

from dataclasses import replace

import pytest

from scheduling.errors import InvalidError
from scheduling.planning.ordering import order_pending
from scheduling.policies import POLICIES, SchedulingPolicy
from scheduling.rules import Rules
from scheduling.snapshot import QueueView
from tests.scheduling.builders import snapshot, waiting

NOW = 1000.0


def order(*jobs, queues=None, default_policy="priority", **rules):
    world = snapshot(*jobs) if queues is None else snapshot(*jobs, queues=queues)
    world = replace(world, rules=replace(Rules(**rules), policy=default_policy))
    return [job.id for job in order_pending(world, NOW).jobs]


def test_queue_rank_comes_before_priority():
    assert order(waiting(1, queue="batch", priority=100), waiting(2, queue="live", priority=0)) == [2, 1]


def test_priority_comes_before_first_come():
    assert order(waiting(1, priority=10), waiting(2, priority=90), waiting(3, priority=50)) == [2, 3, 1]


def test_equals_go_first_come_and_then_by_id():
    jobs = (waiting(1, submitted_at=7), waiting(3, submitted_at=5), waiting(2, submitted_at=5))

    assert order(*jobs) == [2, 3, 1]


def test_a_fifo_queue_ignores_priority():
    queues = (QueueView("default", 10, policy="fifo"),)

    assert order(waiting(1, priority=0), waiting(2, priority=100), queues=queues) == [1, 2]


def test_a_queue_without_a_policy_takes_the_platform_s():
    assert order(waiting(1, priority=0), waiting(2, priority=100), default_policy="fifo") == [1, 2]


def test_queues_of_one_rank_and_one_policy_form_one_line():
    queues = (QueueView("a", 10), QueueView("b", 10))
    jobs = (waiting(1, queue="a", priority=10), waiting(2, queue="b", priority=50), waiting(3, queue="a", priority=90))

    assert order(*jobs, queues=queues) == [3, 2, 1]


def test_at_one_rank_lines_of_different_policies_follow_each_other():
    """Their keys cannot be compared: what matters is that it is the same every time, and no crash."""
    queues = (QueueView("a", 10, policy="priority"), QueueView("b", 10, policy="fifo"))
    jobs = (waiting(1, queue="a", priority=100), waiting(2, queue="b", priority=0))

    assert order(*jobs, queues=queues) == order(*reversed(jobs), queues=queues) == [2, 1]


def test_where_a_policy_sees_equals_priority_decides(monkeypatch):
    class Indifferent(SchedulingPolicy):
        name = "indifferent"

        def sort_key(self, job, queue, now):  # noqa: ARG002 - it is indifferent
            return 0

    monkeypatch.setitem(POLICIES, "indifferent", Indifferent())

    assert order(waiting(1, priority=10), waiting(2, priority=90), default_policy="indifferent") == [2, 1]


def test_an_unknown_default_policy_is_refused():
    with pytest.raises(InvalidError):
        order(waiting(1), default_policy="lottery")


def test_a_job_that_waited_too_long_goes_before_every_other_whatever_its_queue_and_policy():
    jobs = (
        waiting(1, queue="live", priority=69, submitted_at=900),
        waiting(2, queue="batch", priority=0, submitted_at=100),
        waiting(3, queue="batch", priority=100, submitted_at=50),
    )

    assert order(*jobs, bounded_wait_seconds=800) == [3, 2, 1]
    assert order(*jobs) == [1, 3, 2]


@pytest.mark.parametrize(("bound", "expected"), [(800, [1, 3, 2]), (450, [3, 2, 1])])
def test_an_urgent_job_of_a_higher_queue_goes_before_them_until_they_have_waited_twice_as_long(bound, expected):
    jobs = (
        waiting(1, queue="live", priority=70, submitted_at=900),
        waiting(2, queue="batch", priority=0, submitted_at=100),
        waiting(3, queue="batch", priority=100, submitted_at=50),
    )

    assert order(*jobs, bounded_wait_seconds=bound) == expected


def test_an_urgent_job_of_the_same_queue_goes_after_them():
    jobs = (waiting(1, priority=100, submitted_at=900), waiting(2, priority=0, submitted_at=100))

    assert order(*jobs, bounded_wait_seconds=800) == [2, 1]


class Chooser(SchedulingPolicy):
    """A plugin that only selects: the last that came, unless it was told to misbehave."""

    name = "chooser"

    def __init__(self, fault=None):
        self.fault = fault

    def select_next_job(self, queue, pending_jobs, *, now=0.0):  # noqa: ARG002 - it needs the jobs alone
        if self.fault == "raises":
            raise RuntimeError("no idea")
        if self.fault == "repeats":
            return waiting(1)
        return max(pending_jobs, key=lambda job: job.id) if self.fault != "tires" else None


@pytest.fixture
def line(monkeypatch):
    def line(fault):
        monkeypatch.setitem(POLICIES, "chooser", Chooser(fault))
        jobs = (waiting(1, priority=10), waiting(2, priority=90), waiting(3, priority=50))
        return order_pending(replace(snapshot(*jobs), rules=Rules(policy="chooser")), NOW)

    return line


def test_a_policy_may_select_one_job_after_another(line):
    assert [job.id for job in line(None).jobs] == [3, 2, 1]


def test_a_policy_that_selects_nobody_leaves_the_rest_in_the_default_order(line):
    assert [job.id for job in line("tires").jobs] == [2, 3, 1]


@pytest.mark.parametrize(("fault", "said"), [("raises", "RuntimeError: no idea"), ("repeats", "chose job 1")])
def test_a_policy_that_fails_is_replaced_by_the_default_order_and_an_alert_says_so(line, fault, said):
    result = line(fault)

    assert [job.id for job in result.jobs] == [2, 3, 1]
    assert "'chooser'" in result.alerts[0]
    assert said in result.alerts[0]
