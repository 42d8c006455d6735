"""Periods of time: days, weeks and months as a calendar in some place has them, or one span of time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

ONE_DAY = timedelta(days=1)


class Period(StrEnum):
    """As a calendar has them, one after another."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"


ONCE = "once"
"""In place of a period: one span of time, and none after it."""
BUDGET_PERIODS = (Period.DAY.value, Period.WEEK.value, Period.MONTH.value, ONCE)
"""What a budget may be for."""


class Span(NamedTuple):
    """From `start` until just before `end`, in seconds since 1970."""

    start: float
    end: float


def span_at(period: str, zone: tzinfo, moment: float) -> Span:
    """The day, week or month of the place in which the moment lies.

    Each moment lies in exactly one, and each begins where the one before it ends, whatever a place does with its clocks:
    a day may have 23 or 25 hours, begin at one o'clock, or be left out of the calendar.
    """
    first = _first_day(period, datetime.fromtimestamp(moment, UTC).astimezone(zone).date())
    while _midnight(first, zone) > moment:
        first = _first_day(period, first - ONE_DAY)
    while (end := _midnight(following := _day_after(period, first), zone)) <= moment:
        first = following
    return Span(_midnight(first, zone), end)


def spans_over(period: str, zone: tzinfo, start: float, end: float) -> Iterator[Span]:
    """All days, weeks or months of which some part lies between `start` and `end`, in order."""
    moment = start
    while moment < end:
        span = span_at(period, zone, moment)
        yield span
        moment = span.end


def _first_day(period: str, day: date) -> date:
    if period == Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == Period.MONTH else day


def _day_after(period: str, first: date) -> date:
    """The first day of the next one."""
    if period == Period.MONTH:
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if period == Period.WEEK else 1)


@lru_cache(maxsize=4_096)
def _midnight(day: date, zone: tzinfo) -> float:
    """When the day begins; where the clock leaves midnight out, when it is put forward."""
    return datetime.combine(day, time(), zone).timestamp()
