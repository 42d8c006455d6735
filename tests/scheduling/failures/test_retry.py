"""Who gets another attempt, when, at whose cost, and what an end says of the node and the job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.failures.retry import (
    COMMANDS,
    MACHINES,
    MEANINGS,
    Allowance,
    Failure,
    GiveUp,
    NodeSuspicion,
    Retry,
    RetryBudget,
    decide,
    jitter,
    own_fault_on,
    reasons_that,
)
from scheduling.lifecycle import EndReason

OWNERS = (
    EndReason.EXIT_CODE,
    EndReason.TIMEOUT,
    EndReason.OUT_OF_MEMORY,
    EndReason.STALLED,
    EndReason.START_FAILED,
    EndReason.OUTPUT_LIMIT,
    EndReason.PROCESS_LIMIT,
)
LOST = (EndReason.NODE_LOST, EndReason.LOST_LEASE)
BROKEN = (EndReason.DISK_FULL, EndReason.GPU_ERROR, EndReason.PLATFORM_ERROR)


def after(reason, *, used=0, allowed=3, platform_used=0, platform=3, seed=""):
    return decide(Failure(reason), Allowance(used, allowed, platform_used, platform), seed=seed)


def failed(reason=EndReason.EXIT_CODE, code=2, node="n1", ran=1.0):
    return Failure(reason, code, frozenset({node}), ran)


@pytest.mark.parametrize("reason", OWNERS)
def test_a_failing_command_is_retried_later_from_its_owner_s_allowance(reason):
    answer = after(reason, used=0, allowed=1, platform=0)

    assert answer.payer is RetryBudget.OWNER
    assert 5 <= answer.delay_seconds <= 6.25


@pytest.mark.parametrize("reason", OWNERS)
def test_a_command_without_retries_left_is_given_up(reason):
    assert isinstance(after(reason, used=3, allowed=3), GiveUp)


@pytest.mark.parametrize("reason", [*LOST, *BROKEN])
def test_the_platform_s_fault_costs_the_owner_nothing_and_is_retried_at_once(reason):
    assert after(reason, used=3, allowed=3) == Retry(0, RetryBudget.PLATFORM)


@pytest.mark.parametrize("reason", LOST)
def test_a_job_that_loses_another_node_is_retried_at_once_again(reason):
    assert after(reason, platform_used=2) == Retry(0, RetryBudget.PLATFORM)


@pytest.mark.parametrize("reason", BROKEN)
def test_what_is_broken_a_second_time_gets_time_to_be_repaired(reason):
    assert after(reason, platform_used=1).delay_seconds >= 30


@pytest.mark.parametrize("reason", [*LOST, *BROKEN])
def test_a_job_that_loses_every_node_is_given_up_in_the_end(reason):
    assert isinstance(after(reason, platform_used=3, platform=3), GiveUp)


def test_a_preempted_job_always_comes_back_and_nobody_pays():
    assert after(EndReason.PREEMPTED, used=3, allowed=3, platform_used=3, platform=3) == Retry(0, RetryBudget.NOBODY)


@pytest.mark.parametrize("reason", [EndReason.CANCELLED, EndReason.PAUSED, EndReason.COMPLETED, EndReason.GANG_ENDED])
def test_what_somebody_stopped_or_what_is_done_is_not_retried(reason):
    assert isinstance(after(reason), GiveUp)


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_has_an_answer_and_a_refusal_says_why(reason):
    answer = after(reason, used=9, allowed=0, platform_used=9, platform=0)

    assert isinstance(answer, Retry) or answer.sentence


@pytest.mark.parametrize(
    ("used", "delay"), [(0, 5), (1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (7, 300), (100_000, 300)]
)
def test_the_delay_of_a_command_doubles_up_to_five_minutes(used, delay):
    assert COMMANDS.seconds(used) == delay


@pytest.mark.parametrize(("used", "delay"), [(0, 0), (1, 30), (2, 60), (3, 120), (6, 600), (100_000, 600)])
def test_the_delay_of_a_machine_begins_with_the_second_fault(used, delay):
    assert MACHINES.seconds(used) == delay


@given(seed=st.text(), reason=st.sampled_from(OWNERS), used=st.integers(0, 50))
def test_jitter_only_lengthens_by_a_quarter_at_most_and_is_always_the_same(seed, reason, used):
    first, second = (after(reason, used=used, allowed=51, seed=seed) for _ in range(2))

    assert first == second
    assert COMMANDS.seconds(used) <= first.delay_seconds < 1.25 * COMMANDS.seconds(used)


def test_jobs_that_failed_together_come_back_apart():
    assert len({jitter(f"{job}.1") for job in range(1000)}) > 990


def test_the_same_failure_at_once_on_two_nodes_is_the_job_s_own():
    answer = decide(failed(node="n2"), Allowance(1, 5, at_once_seconds=30), past=[failed(node="n1")])

    assert isinstance(answer, GiveUp)
    assert answer.own_fault_on == ("n1", "n2")
    assert "n1 and n2" in answer.sentence


@pytest.mark.parametrize(
    "before",
    [
        failed(node="n2"),
        failed(code=3),
        failed(ran=31.0),
        failed(reason=EndReason.START_FAILED),
        Failure(EndReason.EXIT_CODE, 2, frozenset(), 1.0),
    ],
    ids=["the same node", "another exit code", "after a while", "another reason", "nobody knows where"],
)
def test_other_failures_before_are_no_proof(before):
    answer = decide(failed(node="n2"), Allowance(1, 5, at_once_seconds=30), past=[before])

    assert isinstance(answer, Retry)


def test_a_failure_after_a_while_is_no_proof():
    assert own_fault_on(failed(node="n2", ran=31.0), [failed(node="n1")], 30) == ()


def test_a_command_that_never_started_failed_at_once():
    never = [Failure(EndReason.START_FAILED, None, frozenset({node})) for node in ("n1", "n2")]

    assert own_fault_on(never[1], never[:1], 30) == ("n1", "n2")


@pytest.mark.parametrize("reason", [EndReason.DISK_FULL, EndReason.PLATFORM_ERROR, *LOST])
def test_what_may_hit_all_nodes_at_once_proves_nothing_of_the_job(reason):
    assert own_fault_on(failed(reason, None, "n2"), [failed(reason, None, "n1")], 30) == ()


def test_a_gang_failed_on_two_nodes_only_if_others_are_to_blame_each_time():
    first = Failure(EndReason.EXIT_CODE, 1, frozenset({"n1", "n2"}), 1.0)
    second = Failure(EndReason.EXIT_CODE, 1, frozenset({"n2", "n3"}), 1.0)

    assert own_fault_on(second, [first], 30) == ()


def test_what_counts_against_a_node():
    assert reasons_that(suspicion=NodeSuspicion.ALWAYS) == {EndReason.GPU_ERROR, EndReason.PLATFORM_ERROR}
    assert reasons_that(suspicion=NodeSuspicion.AT_ONCE) == {EndReason.EXIT_CODE, EndReason.START_FAILED}


def test_after_what_a_job_goes_elsewhere():
    assert reasons_that(elsewhere=False) == {
        EndReason.TIMEOUT,
        EndReason.OUTPUT_LIMIT,
        EndReason.PROCESS_LIMIT,
        EndReason.PREEMPTED,
    }


def test_whoever_is_never_tried_again_has_no_entry():
    ends = {
        EndReason.COMPLETED,
        EndReason.CANCELLED,
        EndReason.PAUSED,
        EndReason.IDLE,
        EndReason.GANG_ENDED,
        EndReason.DEPENDENCY_FAILED,
    }
    assert set(EndReason) - MEANINGS.keys() == ends
