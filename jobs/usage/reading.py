"""What was used, hour by hour: from the record where it is there, else worked out from what happened."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.usage.derived import COLUMNS, DERIVED, arguments
from scheduling.sharing.budget_periods import Span
from scheduling.sharing.usage_periods import parts_by_hour

USED = f"""
    SELECT {COLUMNS} FROM jobs_usagehour
    WHERE hour >= %(whole_since)s AND hour < %(whole_until)s AND hour <> ALL(%(cut)s)
    UNION ALL SELECT * FROM ({DERIVED}) AS derived
"""  # noqa: S608  made of constants
"""The columns of usage hours. Takes what `used_in` answers."""


def used_in(spans: Sequence[Span], rolled_up_until: datetime | None) -> dict[str, Any]:
    """For `USED`: all of these spans, which follow each other; no row of it is of two of them."""
    left, cut = parts_by_hour(spans, rolled_up_until.timestamp() if rolled_up_until else float("-inf"))
    since, until = moment_of(spans[0].start), moment_of(spans[-1].end)
    slots = [(moment_of(one.start), moment_of(one.end)) for one in left] or [(until, until)]
    return {
        **arguments(slots),
        "whole_since": since,
        "whole_until": min(until, rolled_up_until) if rolled_up_until else since,
        "cut": [moment_of(hour) for hour in cut],
    }


def moment_of(seconds: float) -> datetime:
    """Of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
