"""The order within a queue, and what an author of a policy can count on."""

import pytest

from scheduling.errors import InvalidError
from scheduling.policies import Fifo, Priority, SchedulingPolicy, policy
from scheduling.snapshot import QueueView
from tests.scheduling.builders import running, waiting

QUEUE = QueueView("default", 10)


@pytest.mark.parametrize(("name", "kind"), [("fifo", Fifo), ("priority", Priority)])
def test_policies_are_known_by_name(name, kind):
    assert isinstance(policy(name), kind)


def test_an_unknown_policy_is_refused_with_the_names_there_are():
    with pytest.raises(InvalidError, match=r"'lottery'.*fairshare, fifo, floor, multifactor, priority") as refusal:
        policy("lottery")

    assert refusal.value.errors[0].field == "policy"


@pytest.mark.parametrize(("name", "first"), [("fifo", 1), ("priority", 2)])
def test_select_next_job_follows_the_policy(name, first):
    jobs = [waiting(1, priority=10, submitted_at=1), waiting(2, priority=90, submitted_at=2)]

    chosen = policy(name).select_next_job(QUEUE, jobs)

    assert chosen is not None
    assert chosen.id == first


def test_equals_go_first_come_and_then_by_id():
    late, early, early_too = waiting(1, submitted_at=9), waiting(3, submitted_at=5), waiting(2, submitted_at=5)

    assert Priority().select_next_job(QUEUE, [late, early, early_too]) == early_too


def test_there_is_no_next_job_in_an_empty_queue():
    assert Fifo().select_next_job(QUEUE, []) is None


def test_nobody_gives_way_unless_a_policy_says_so():
    assert Fifo().should_preempt([running()], waiting(priority=100)) == ()


def test_under_priority_those_of_clearly_lower_priority_may_have_to_give_way():
    low, middle = running(901, priority=10), running(902, priority=40)

    assert Priority().should_preempt([low, middle], waiting(priority=50)) == (low,)


def test_a_policy_needs_no_more_than_a_sort_key():
    class ShortestFirst(SchedulingPolicy):
        name = "shortest"

        def sort_key(self, job, queue, now):  # noqa: ARG002 - a policy may leave them
            return job.estimated_runtime_seconds

    long, short = waiting(1, estimated_runtime_seconds=600), waiting(2, estimated_runtime_seconds=60)

    assert ShortestFirst().select_next_job(QUEUE, [long, short]) == short


def test_a_policy_without_a_sort_key_says_so():
    with pytest.raises(NotImplementedError):
        SchedulingPolicy().select_next_job(QUEUE, [waiting()])
