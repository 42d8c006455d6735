"""What holds a job back before anybody looks at nodes."""

import pytest

from scheduling.planning.eligibility import job_holds, queue_holds
from scheduling.snapshot import QueueView
from tests.scheduling.builders import waiting

NOW = 1_790_000_000.0


def sentences(reasons):
    return {str(reason.code): reason.sentence for reason in reasons}


@pytest.mark.parametrize("state", ["open", "draining"])
def test_an_open_or_draining_queue_starts_its_jobs(state):
    assert queue_holds(QueueView("batch", 0, state=state), running=3) == ()


def test_a_paused_queue_starts_nothing():
    assert sentences(queue_holds(QueueView("batch", 0, state="paused"), running=0)) == {
        "queue_paused": "Queue batch is paused."
    }


@pytest.mark.parametrize(("running", "held"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_queue_starts_no_more_jobs_than_it_may_run_at_once(running, held):
    assert bool(queue_holds(QueueView("batch", 0, max_running=2), running)) == held


def test_a_full_queue_says_its_limit_and_what_it_runs():
    (reason,) = queue_holds(QueueView("batch", 0, max_running=2), running=2)

    assert reason.sentence == "Queue batch allows 2 running jobs at once (2 now)."
    assert reason.shortfall == {"running_jobs": 1}


def test_a_queue_whose_policy_is_gone_starts_nothing_rather_than_in_the_wrong_order():
    (reason,) = queue_holds(QueueView("batch", 0, policy="lottery"), running=0)

    assert reason.code == "queue_policy"
    assert "'lottery'" in reason.sentence
    assert "fifo, floor, multifactor, priority" in reason.sentence


def test_a_job_with_nothing_in_its_way_is_not_held():
    assert job_holds(waiting(not_before=NOW), NOW) == ()


def test_a_job_waits_for_what_it_depends_on():
    (reason,) = job_holds(waiting(unmet=(7, 9)), NOW)

    assert (reason.code, reason.sentence) == ("dependency", "Waits for jobs 7 and 9 to complete.")
    assert reason.held_by == (7, 9)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ((7,), "Depends on job 7, which failed or was cancelled."),
        ((7, 9), "Depends on jobs 7 and 9, which failed or were cancelled."),
    ],
)
def test_a_job_whose_dependency_failed_says_which(broken, sentence):
    (reason,) = job_holds(waiting(broken=broken), NOW)

    assert (reason.code, reason.sentence, reason.held_by) == ("dependency_failed", sentence, broken)


def test_how_a_dependency_has_to_end_is_told():
    job = waiting(1, unmet=(2, 3, 4), needs_end=(3,), needs_failure=(4,))
    [reason] = job_holds(job, NOW)
    assert reason.sentence == "Waits for job 2 to complete, for job 3 to end and for job 4 to fail."


def test_a_failure_that_can_no_longer_happen_is_told_apart():
    [reason] = job_holds(waiting(1, broken=(2, 3), needs_failure=(3,)), NOW)
    assert reason.sentence == (
        "Depends on job 2, which failed or was cancelled. Was to start once job 3 had failed, which can no longer happen."
    )


def test_many_dependencies_are_counted_rather_than_listed():
    (reason,) = job_holds(waiting(unmet=tuple(range(1, 31))), NOW)

    assert reason.sentence == "Waits for jobs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more to complete."
    assert len(reason.held_by) == 10


def test_a_job_does_not_start_before_its_time():
    (reason,) = job_holds(waiting(not_before=NOW + 90), NOW)

    assert (reason.code, reason.sentence) == ("not_before", "May not start before 2026-09-21 14:14:50 UTC.")
