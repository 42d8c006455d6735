from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.schedules.moments import following, latest, read
from scheduling.errors import InvalidError

SUMMER = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the night in which Berlin's clock jumps from 2 to 3
WINTER = datetime(2026, 10, 24, 12, tzinfo=UTC)  # the night in which it has the hour from 2 to 3 twice


def utc(*parts):
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(("after", "moments"), [
    (SUMMER, [utc(2026, 3, 29, 1, 0), utc(2026, 3, 30, 0, 30)]),
    (WINTER, [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]),
])  # fmt: skip
def test_a_night_in_which_the_clock_changes_has_one_moment(after, moments):
    assert list(islice(read("30 2 * * *", "Europe/Berlin", after), 2)) == moments


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [("61 * * * *", "UTC", "cron"), ("* * *", "UTC", "cron"), ("0 0 30 2 *", "UTC", "cron"), ("", "UTC", "cron"), ("0 0 * * *", "Mars/Base", "time_zone"),
     ("0 0 * * *", "../../etc/passwd", "time_zone"), ("0 0 * * *", "", "time_zone")],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_its_field(cron, zone, field):
    with pytest.raises(InvalidError) as refused:
        following(cron, zone, SUMMER)

    assert [error.field for error in refused.value.errors] == [field]


def test_nothing_comes_after_the_end():
    assert following("0 0 * * *", "UTC", SUMMER, until=SUMMER + timedelta(hours=1)) is None


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
@given(minutes=st.integers(0, 400_000), seconds=st.integers(0, 59))
def test_the_latest_moment_is_the_last_one_until_now(zone, minutes, seconds):
    now = SUMMER + timedelta(minutes=minutes, seconds=seconds)

    moment = latest("*/20 1-3 * * *", zone, now)

    assert moment <= now < following("*/20 1-3 * * *", zone, moment)
