"""Periods of budgets: each moment in exactly one, each beginning where the one before it ended, by the calendar of a place."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduling.sharing.periods import span_at, spans_over

# Among them those that begin days at one o'clock, left a day out (Apia), had it twice (Kwajalein), and moved by half an hour.
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Pacific/Chatham",
)  # fmt: skip
HOUR = 3_600.0
moments = st.floats(0, 4e9) | st.integers(0, 4_000_000_000).map(float)
zones = st.sampled_from(ZONES).map(ZoneInfo)
periods = st.sampled_from(["day", "week", "month"])


def at(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@given(periods, zones, moments)
@example("day", ZoneInfo("Pacific/Apia"), at("2011-12-31T12:00", "Pacific/Apia"))
@example("day", ZoneInfo("America/St_Johns"), at("2010-11-07T00:00", "America/St_Johns") + 90)
@example("day", ZoneInfo("America/Sao_Paulo"), at("2018-11-04T01:00", "America/Sao_Paulo"))
def test_each_moment_lies_in_one_period_and_periods_join(period, zone, moment):
    span = span_at(period, zone, moment)
    assert span.start <= moment < span.end
    assert span_at(period, zone, span.start) == span
    assert span_at(period, zone, span.end).start == span.end
    before = span_at(period, zone, span.start - 1e-3)
    assert before.end == span.start


@given(periods, zones, moments, st.floats(1, 100 * 24 * HOUR))
def test_an_interval_is_covered_without_gaps(period, zone, start, length):
    spans = list(spans_over(period, zone, start, start + length))
    assert spans[0].start <= start
    assert spans[-1].start < start + length <= spans[-1].end
    assert all(one.end == other.start for one, other in pairwise(spans))


@given(periods, zones, moments)
def test_a_period_begins_at_midnight_or_as_soon_as_the_clock_allows(period, zone, moment):
    first = datetime.fromtimestamp(span_at(period, zone, moment).start, zone)
    before = first.timestamp() - 1
    assert (first.hour, first.minute) == (0, 0) or datetime.fromtimestamp(before, zone).date() < first.date()
    assert period != "month" or first.day == 1
    assert period != "week" or first.weekday() == 0


@pytest.mark.parametrize(
    ("day", "hours"), [("2030-03-31", 23), ("2030-10-27", 25), ("2030-05-01", 24)], ids=["spring", "autumn", "usual"]
)
def test_a_day_is_as_long_as_its_clock_says(day, hours):
    span = span_at("day", ZoneInfo("Europe/Berlin"), at(f"{day}T12:00", "Europe/Berlin"))
    assert span.end - span.start == hours * HOUR


def test_a_month_is_that_of_the_zone():
    eve = at("2030-05-31T23:30", "America/New_York")
    assert span_at("month", ZoneInfo("America/New_York"), eve).start == at("2030-05-01T00:00", "America/New_York")
    assert span_at("month", ZoneInfo("Asia/Tokyo"), eve).start == at("2030-06-01T00:00", "Asia/Tokyo")


def test_a_week_begins_on_monday():
    sunday = at("2030-06-09T23:59", "UTC")
    span = span_at("week", ZoneInfo("UTC"), sunday)
    assert span.end == sunday + 60
    assert timedelta(seconds=span.end - span.start) == timedelta(days=7)
