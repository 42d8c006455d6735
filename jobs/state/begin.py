"""When a job may begin at the earliest: what is wrong with a moment, and what its history keeps of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Case, F, When
from django.db.models.functions import Now

from scheduling.errors import FieldError

FIELD = "begin_at"
AHEAD = timedelta(days=366)
"""So far ahead a job may be told to begin."""
PAST = timedelta(days=1)
"""A begin that is longer ago is a mistake; one that has just passed is none."""
IN_LINE_ANEW = Case(When(begin_at__gt=Now(), then=Now()), default=F("in_line_since"))
"""Whoever is given another begin before the one it had is in line from now on at the earliest: it has not stood there yet."""


def faults(begin_at: datetime | None, deadline: datetime | None, now: datetime) -> Iterator[FieldError]:
    """A moment that has just passed is fine: such a job starts in its turn. One of long ago, or of years ahead, is a mistake."""
    if begin_at is None:
        return
    if begin_at < now - PAST:
        yield FieldError(FIELD, "Is more than a day ago: leave it out for a job that may begin at once.", "past")
    elif begin_at > now + AHEAD:
        yield FieldError(FIELD, f"May be at most {AHEAD.days} days ahead.", "too_late")
    elif deadline is not None and begin_at >= deadline:
        yield FieldError(FIELD, "Must lie before its deadline.", "after_deadline")


def told(begin_at: datetime | None) -> dict[str, str]:
    """For the event: by this the statistics of waits know later that it was not waiting for the platform."""
    return {} if begin_at is None else {FIELD: begin_at.isoformat()}
