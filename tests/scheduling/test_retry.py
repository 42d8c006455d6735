"""Who gets another attempt, when, and at whose cost."""

import pytest

from scheduling.lifecycle import EndReason
from scheduling.retry import GiveUp, Retry, backoff_seconds, decide

USERS = (
    EndReason.EXIT_CODE,
    EndReason.TIMEOUT,
    EndReason.OUT_OF_MEMORY,
    EndReason.STALLED,
    EndReason.START_FAILED,
    EndReason.OUTPUT_LIMIT,
)
PLATFORMS = (
    EndReason.NODE_LOST,
    EndReason.LOST_LEASE,
    EndReason.DISK_FULL,
    EndReason.GPU_ERROR,
    EndReason.PLATFORM_ERROR,
)


def after(end_reason, *, used=0, allowed=3, platform_used=0, platform=3):
    return decide(
        end_reason,
        retries_used=used,
        max_retries=allowed,
        platform_retries_used=platform_used,
        platform_retries=platform,
    )


@pytest.mark.parametrize("reason", USERS)
def test_a_failing_command_is_retried_later_from_its_owner_s_allowance(reason):
    assert after(reason, used=0, allowed=1, platform=0) == Retry(5, platform=False)


@pytest.mark.parametrize("reason", USERS)
def test_a_command_without_retries_left_is_given_up(reason):
    assert isinstance(after(reason, used=3, allowed=3), GiveUp)


@pytest.mark.parametrize("reason", PLATFORMS)
def test_a_lost_node_costs_the_owner_nothing_and_is_retried_at_once(reason):
    assert after(reason, used=3, allowed=3) == Retry(0, platform=True)


@pytest.mark.parametrize("reason", PLATFORMS)
def test_a_job_that_loses_every_node_is_given_up_in_the_end(reason):
    assert isinstance(after(reason, platform_used=3, platform=3), GiveUp)


def test_a_preempted_job_always_comes_back_and_nobody_pays():
    answer = after(EndReason.PREEMPTED, used=3, allowed=3, platform_used=3, platform=3)

    assert answer == Retry(0, platform=True, costs=False)


@pytest.mark.parametrize("reason", [EndReason.CANCELLED, EndReason.PAUSED, EndReason.COMPLETED])
def test_what_somebody_stopped_or_what_is_done_is_not_retried(reason):
    assert isinstance(after(reason), GiveUp)


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_has_an_answer_and_a_refusal_says_why(reason):
    answer = after(reason, used=9, allowed=0, platform_used=9, platform=0)

    assert isinstance(answer, Retry) or answer.sentence


@pytest.mark.parametrize(
    ("used", "delay"), [(0, 5), (1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (7, 300), (100_000, 300)]
)
def test_the_delay_doubles_up_to_five_minutes(used, delay):
    assert backoff_seconds(used) == delay
