"""The longest that a job has waited so far: what a policy that learns its own bound goes by."""

from dataclasses import dataclass

from scheduling.rules import DAY

FORGET_SECONDS = 365 * DAY  # after so long it counts half


@dataclass(frozen=True, slots=True)
class LongestWait:
    """The longest that a job has waited until it started, and when that was. It counts less and less as time goes by."""

    seconds: float = 0.0
    at: float = 0.0

    def seconds_at(self, now: float) -> float:
        """What it counts for: half after a year in which nobody waited for longer than it counts."""
        return self.seconds * 0.5 ** (max(0.0, now - self.at) / FORGET_SECONDS)

    def with_start(self, waited: float, now: float) -> "LongestWait":
        """And with a job that starts now after such a wait."""
        return LongestWait(waited, now) if waited > self.seconds_at(now) else self
