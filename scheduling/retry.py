"""Whether a job whose attempt ended badly gets another one, and when."""

from dataclasses import dataclass

from scheduling.lifecycle import EndReason

FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 300.0

COSTS_PLATFORM = frozenset(
    {
        EndReason.NODE_LOST,
        EndReason.LOST_LEASE,
        EndReason.DISK_FULL,
        EndReason.GPU_ERROR,
        EndReason.PLATFORM_ERROR,
    }
)
"""The platform's fault: retried at once, on the platform's own allowance."""

COSTS_USER = frozenset(
    {
        EndReason.EXIT_CODE,
        EndReason.TIMEOUT,
        EndReason.OUT_OF_MEMORY,
        EndReason.STALLED,
        EndReason.START_FAILED,
        EndReason.OUTPUT_LIMIT,
    }
)
"""The command's fault, as far as anybody can tell: retried as often as its owner said, later each time."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, after a delay. `platform` says whose allowance an attempt is taken from, if `costs` one."""

    delay_seconds: float
    platform: bool
    costs: bool = True


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt."""

    sentence: str = ""


def decide(
    end_reason: EndReason, *, retries_used: int, max_retries: int, platform_retries_used: int, platform_retries: int
) -> Retry | GiveUp:
    """What follows an attempt that ended by `end_reason`. Nobody asks after one that completed or was paused."""
    if end_reason is EndReason.PREEMPTED:
        return Retry(0, platform=True, costs=False)
    if end_reason in COSTS_PLATFORM:
        if platform_retries_used < platform_retries:
            return Retry(0, platform=True)
        return GiveUp(f"Its nodes failed it; the platform's retries are used up ({platform_retries}).")
    if end_reason in COSTS_USER:
        if retries_used < max_retries:
            return Retry(backoff_seconds(retries_used), platform=False)
        return GiveUp(f"Its retries are used up ({max_retries}).")
    return GiveUp("It is not to be tried again.")


def backoff_seconds(retries_used: int) -> float:
    """Five seconds before the first retry, doubled for each one after it, at most five minutes."""
    doublings = min(retries_used, 10)  # far beyond the ceiling; keeps the power small
    return min(FIRST_DELAY_SECONDS * 2.0**doublings, LONGEST_DELAY_SECONDS)
