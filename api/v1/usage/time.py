"""Of what time a report is, and in which periods."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jobs.usage.report import periods
from quotas.clock import database_now
from scheduling.errors import FieldError, InvalidError
from scheduling.sharing.periods import Period, Span
from scheduling.sharing.usage_periods import MOST_PERIODS, TooManyPeriodsError, start_of

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)


class Time:
    """From when until when, in whose calendar; without a beginning, from that of the present month or week."""

    def __init__(self, asked: dict[str, Any], present: Period) -> None:
        """Raises InvalidError naming the field."""
        self.asked = asked
        self.zone: ZoneInfo = asked.get("time_zone", ZoneInfo("UTC"))
        self.until: datetime = asked.get("until") or database_now()
        self.since: datetime = asked.get("since") or start_of(present, self.zone, min(max(self.until, FIRST), LAST))
        if self.until > LAST:
            raise InvalidError([FieldError("until", "Must lie before the year 9000.", "order")])
        if self.since >= self.until:
            raise InvalidError([FieldError("until", "Must lie after since.", "order")])
        if self.since < FIRST:
            raise InvalidError([FieldError("since", "Must lie after 1970.", "order")])

    def split(self, period: str | None, *, most: int = MOST_PERIODS) -> list[Span]:
        """Raises InvalidError where there are more."""
        try:
            spans = periods(period, self.zone, self.since, self.until)
        except TooManyPeriodsError:
            spans = []
        if not 0 < len(spans) <= most:
            words = f"At most {most} {period}s in one report: begin later, or ask for longer periods."
            raise InvalidError([FieldError("since", words, "too_wide")])
        return spans
