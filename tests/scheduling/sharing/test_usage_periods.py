"""Periods of reports: without gaps, whatever clocks do, and hours on record that no two of them share."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.sharing.periods import Span
from scheduling.sharing.usage_periods import (
    HOUR,
    MOST_PERIODS,
    TooManyPeriodsError,
    by_hour,
    parts_by_hour,
    periods,
    start_of,
    title,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
)
MOMENTS = st.integers(946_684_800_000, 2_208_988_800_000).map(lambda number: datetime.fromtimestamp(number / 1000, UTC))
LENGTHS = st.timedeltas(timedelta(minutes=1), timedelta(days=20))
PERIODS = st.sampled_from(["hour", "day", "week", "month"])


@given(PERIODS, ZONES.map(ZoneInfo), MOMENTS, LENGTHS)
def test_each_begins_where_the_one_before_it_ends(period, zone, since, length):
    found = periods(period, zone, since, since + length)
    assert [one.start for one in found[1:]] == [one.end for one in found[:-1]]
    assert (found[0].start, found[-1].end) == (since.timestamp(), (since + length).timestamp())
    assert all(one.start < one.end for one in found)


@given(PERIODS, ZONES.map(ZoneInfo), MOMENTS, LENGTHS, st.integers(-30, 500))
def test_what_is_on_record_and_the_rest_are_all_of_it_once(period, zone, since, length, hours):
    spans = periods(period, zone, since, since + length)
    known = since.timestamp() // HOUR * HOUR + hours * HOUR
    left, cut = parts_by_hour(spans, known)
    first, last = since.timestamp() // HOUR * HOUR, spans[-1].end
    whole = [
        at for at in (first + n * HOUR for n in range(500)) if spans[0].start <= at < min(last, known) and at not in cut
    ]
    parts = sorted([*left, *(Span(at, at + HOUR) for at in whole)])
    assert sum(one.end - one.start for one in parts) == pytest.approx(last - spans[0].start, abs=1e-3)
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(parts))
    borders = {one.start for one in spans[1:]}
    assert not any(one.start < border < one.end for one in parts for border in borders)


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(hours=30)))
def test_a_span_falls_apart_at_the_hours(since, length):
    parts = by_hour(Span(since.timestamp(), (since + length).timestamp()))
    assert all(one.start // HOUR == (one.end - 1e-4) // HOUR for one in parts)
    assert sum(one.end - one.start for one in parts) == pytest.approx(length.total_seconds(), abs=1e-3)


def test_days_of_23_and_25_hours():
    for day, hours in ((datetime(2026, 3, 29, tzinfo=BERLIN), 23), (datetime(2026, 10, 25, tzinfo=BERLIN), 25)):
        (span,) = periods("day", BERLIN, day, day + timedelta(days=1))
        assert span.end - span.start == hours * HOUR
        assert len(periods("hour", BERLIN, day, day + timedelta(days=1))) == hours


def test_names_and_beginnings():
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, for the first time
    later = moment + timedelta(hours=1)
    assert title("hour", BERLIN, moment.timestamp()) == "2026-10-25T02:00+02:00"
    assert title("hour", BERLIN, later.timestamp()) == "2026-10-25T02:00+01:00"
    assert [title(period, BERLIN, moment.timestamp()) for period in ("day", "week", "month")] == [
        "2026-10-25", "2026-W43", "2026-10",
    ]  # fmt: skip
    assert start_of("month", BERLIN, moment) == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert start_of("week", BERLIN, moment) == datetime(2026, 10, 18, 22, tzinfo=UTC)


def test_nobody_reads_so_many():
    since = datetime(2026, 5, 4, tzinfo=UTC)
    assert len(periods("hour", UTC, since, since + timedelta(hours=MOST_PERIODS))) == MOST_PERIODS
    with pytest.raises(TooManyPeriodsError):
        periods("hour", UTC, since, since + timedelta(hours=MOST_PERIODS, seconds=1))
