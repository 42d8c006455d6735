import time
from datetime import UTC, datetime, timedelta

import pytest

from cli.durations import parse_duration, parse_moment, spell, spell_between

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("45s", 45),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86400),
        ("1w", 604800),
        ("1h30m", 5400),
        ("1.5H", 5400),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "soon", "2 hours", "m30", "1h30", "٣", "9" * 500 + "d"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"write 90 \(seconds\), 30m"):
        parse_duration(text)


def test_a_moment_may_be_so_far_from_now():
    assert parse_moment("+2h", NOON) == NOON + timedelta(hours=2)


def test_a_moment_with_a_zone_is_that_moment():
    assert parse_moment("2030-01-01T14:00+02:00", NOON) == NOON


def test_a_moment_without_a_zone_is_local_time():
    assert parse_moment("2030-01-01T12:00", NOON) == datetime(2030, 1, 1, 12).astimezone()


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("text", ["2030-03-31T02:00", "2030-03-31T02:59"])
def test_an_hour_that_summer_time_leaves_out_is_refused(text):
    with pytest.raises(ValueError, match="does not exist here"):
        parse_moment(text, NOON)


@pytest.mark.usefixtures("berlin")
def test_an_hour_that_comes_twice_is_refused_with_both_moments():
    with pytest.raises(ValueError, match=r"Write 2030-10-27T02:30:00\+02:00 or 2030-10-27T02:30:00\+01:00"):
        parse_moment("2030-10-27T02:30", NOON)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("text", ["2030-03-31T01:59", "2030-03-31T03:00", "2030-10-27T02:30+01:00", "2030-03-31"])
def test_all_other_moments_of_such_days_are_taken(text):
    assert parse_moment(text, NOON).tzinfo is not None


@pytest.mark.parametrize("text", ["tomorrow", "+", "+soon", "2030-13-01", "+99999999999d"])
def test_what_is_no_moment_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"write \+2h"):
        parse_moment(text, NOON)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (45.4, "45s"), (192, "3m 12s"), (7500, "2h 05m"), (273600, "3d 4h"), (-3, "0s")],
)
def test_a_length_is_told_in_its_two_largest_units(seconds, words):
    assert spell(seconds) == words


def test_what_has_not_begun_has_no_length():
    assert spell_between(None, None, NOON) == ""


def test_what_has_not_ended_lasts_until_now():
    assert spell_between("2030-01-01T11:58:00Z", None, NOON) == "2m 00s"
