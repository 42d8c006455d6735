"""The examples of periods on the page about usage come out as it says."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.usage import report, rollup
from tests.architecture import source
from tests.jobs.usage.yard import DAY, ran, roll_up

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def told():
    page = (source.ROOT / "docs/usage.md").read_text(encoding="utf-8")
    table = page.partition("| example | GPUs |")[2].partition("\n\n")[0]
    return {
        name: cells.split(" | ") for name, cells in re.findall(r"^\| ([A-Za-z0-9 ]+) \| (.*) \|$", table, re.MULTILINE)
    }


def moment(text, day="", zone=UTC):
    date, _, clock = text.rpartition(", ")
    return datetime.strptime(f"2026 {date or day} {clock}", "%Y %b %d %H:%M").replace(tzinfo=zone)


def test_there_are_examples():
    assert len(told()) == 6


@pytest.mark.parametrize("name", told())
def test_an_example_comes_out_as_the_page_says(name, monkeypatch):
    gpus, held, asked, expected = told()[name]
    since, until = held.split(" to ")
    begun, ended = moment(since), moment(until, since.partition(",")[0])
    ran((begun - DAY) / HOUR, (ended - DAY) / HOUR, gpus=range(int(gpus)))
    monkeypatch.setattr(rollup, "database_now", lambda: ended + 2 * HOUR)
    roll_up()

    day, zone = asked.split(", ")
    first = moment(f"{day}, 00:00", zone=ZoneInfo(zone))
    (span, *_) = report.periods("day", ZoneInfo(zone), first, first + timedelta(days=1))
    (row,) = report.report(report.Scope(), [span], group_by="queue", limit=1).rows
    assert row.hours("gpu") == float(expected)
