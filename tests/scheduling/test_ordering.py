"""Who is looked at first."""

import pytest

from scheduling.errors import InvalidError
from scheduling.ordering import in_order
from scheduling.policies import POLICIES, SchedulingPolicy
from scheduling.snapshot import QueueView
from tests.scheduling.builders import snapshot, waiting

NOW = 1000.0


def order(*jobs, queues=None, default_policy="priority"):
    world = snapshot(*jobs) if queues is None else snapshot(*jobs, queues=queues)
    return [job.id for job in in_order(world, NOW, default_policy)]


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
