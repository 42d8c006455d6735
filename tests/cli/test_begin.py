"""`--begin`, as people type it, on a machine in Berlin."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from cli.begin import parse_begin

NOON = datetime(2026, 12, 1, 11, tzinfo=UTC)
"""In Berlin."""


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-12-01T11:00:00+00:00"),
        ("now+2h", "2026-12-01T13:00:00+00:00"),
        ("+1h30m", "2026-12-01T12:30:00+00:00"),
        ("now+1hour", "2026-12-01T12:00:00+00:00"),
        ("now + 2 days", "2026-12-03T11:00:00+00:00"),
        ("now+90", "2026-12-01T11:01:30+00:00"),
        ("18:00", "2026-12-01T18:00:00+01:00"),
        ("8:00", "2026-12-02T08:00:00+01:00"),
        ("noon", "2026-12-02T12:00:00+01:00"),
        ("midnight", "2026-12-02T00:00:00+01:00"),
        ("tomorrow 8:00", "2026-12-02T08:00:00+01:00"),
        ("Tomorrow  08:00:30", "2026-12-02T08:00:30+01:00"),
        ("tomorrow", "2026-12-02T00:00:00+01:00"),
        ("today 9:00", "2026-12-01T09:00:00+01:00"),
        ("2026-12-24T18:00", "2026-12-24T18:00:00+01:00"),
        ("2026-12-24 18:00", "2026-12-24T18:00:00+01:00"),
        ("2027-07-01", "2027-07-01T00:00:00+02:00"),
        ("2026-12-24T18:00Z", "2026-12-24T18:00:00+00:00"),
    ],
)
def test_it_is_a_moment_with_the_zone_of_this_machine(text, moment):
    assert parse_begin(text, NOON) == datetime.fromisoformat(moment)
    assert parse_begin(text, NOON).utcoffset() is not None


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "tomorrow 8", "now+", "now-1h", "tomorrow8:00", "9" * 400, "now+9999999999d"]
)
def test_what_is_no_moment_is_refused_with_examples(text):
    with pytest.raises(ValueError, match=r"now\+2h|2030-05-01"):
        parse_begin(text, NOON)


def test_an_hour_that_the_clock_leaves_out_is_refused():
    before = datetime(2027, 3, 27, 12, tzinfo=UTC)
    with pytest.raises(ValueError, match="does not exist here"):
        parse_begin("tomorrow 2:30", before)


def test_tomorrow_is_a_day_of_the_calendar_and_not_24_hours():
    before = datetime(2027, 3, 27, 12, tzinfo=UTC)
    assert parse_begin("tomorrow 13:00", before) - before == timedelta(hours=23)
