"""What was used, hour by hour: from the record where it is there, else worked out from what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.usage.derived import COLUMNS, DERIVED, arguments
from scheduling.sharing.periods import Span
from scheduling.sharing.usage_periods import parts_by_hour

RECORD = f"""
    SELECT {COLUMNS} FROM jobs_usagehour
    WHERE hour >= %(whole_since)s AND hour < %(whole_until)s AND hour <> ALL(%(cut)s)
"""  # noqa: S608  made of constants


@dataclass(frozen=True, slots=True)
class Used:
    """A statement whose columns are those of usage hours, and what it takes."""

    statement: str
    arguments: dict[str, Any]


def used_in(spans: Sequence[Span], rolled_up_until: datetime | None) -> Used:
    """All of these spans, which follow each other; no row is of two of them."""
    left, cut = parts_by_hour(spans, rolled_up_until.timestamp() if rolled_up_until else float("-inf"))
    since, until = moment_of(spans[0].start), moment_of(spans[-1].end)
    whole = {
        "whole_since": since,
        "whole_until": min(until, rolled_up_until) if rolled_up_until else since,
        "cut": [moment_of(hour) for hour in cut],
    }
    if not left:  # all of it is on record
        return Used(RECORD, whole)
    known = arguments([(moment_of(one.start), moment_of(one.end)) for one in left])
    return Used(f"{RECORD} UNION ALL SELECT * FROM ({DERIVED}) AS derived", whole | known)  # noqa: S608  likewise


def moment_of(seconds: float) -> datetime:
    """Of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
