"""How long the machine of an agent is there, where that is known beforehand, and when the agent leaves it."""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Lifetime:
    """`ends_at` by this machine's clock; the agent leaves so many seconds before. As it stands: for ever."""

    ends_at: float = math.inf
    leave_seconds: float = 0.0

    @property
    def leaves_in(self) -> float | None:
        """Seconds from now; None: never. By other clocks than this machine's only a length of time is the same."""
        return None if self.ends_at == math.inf else self.ends_at - self.leave_seconds - time.time()

    @property
    def is_up(self) -> bool:
        """Whether it is time to leave."""
        return time.time() >= self.ends_at - self.leave_seconds

    @property
    def left(self) -> float:
        """Seconds until the machine is gone."""
        return self.ends_at - time.time()

    @property
    def words(self) -> str:
        moment = datetime.fromtimestamp(self.ends_at - self.leave_seconds, UTC)
        return f"leaves at {moment:%Y-%m-%d %H:%M:%S} UTC"


ENDLESS = Lifetime()


def read_until(text: str) -> float:
    """A moment as ISO 8601 with its zone, or in seconds since the epoch. Raises ValueError with what would be right."""
    if text.isdigit():
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is no moment: write 2030-05-01T18:00:00Z, or seconds since the epoch.")
    return moment.timestamp()
