"""Usage in the admin: charts without a script, and a question that makes no sense is told what is wrong with it."""

import pytest

from console.admin.usage import bars
from jobs.usage import rollup
from tests import builders
from tests.admin_pages import operator, page, staff
from tests.jobs.usage.yard import at, ran, roll_up

pytestmark = pytest.mark.django_db
USAGE = "/admin/jobs/usagehour/"
WEEK = {"since": "2026-05-04T00:00Z", "until": "2026-05-11T00:00Z"}


@pytest.fixture(autouse=True)
def a_day_later(monkeypatch):
    monkeypatch.setattr(rollup, "database_now", lambda: at(30.5))


def test_usage_is_drawn_by_group_and_told_in_words():
    ran(0, 12, project=builders.project(slug="vision"), labels={"<b>": "x"})
    roll_up()
    shown = page(operator(), USAGE, **WEEK)
    assert "vision: 12.00 GPU-hours from 2026-05-04 to 2026-05-10, at most 12.00" in shown
    assert "<script" not in shown.split('id="content"')[1]
    assert "style=" not in shown.split('id="content"')[1]


def test_what_makes_no_sense_is_said():
    shown = page(operator(), USAGE, since="soon", time_zone="Mars")
    assert "since: Must be a time with its zone" in shown
    assert "time_zone: There is no such time zone" in shown
    assert "At most 750 hours" in page(operator("other"), USAGE, since="2020-01-01T00:00Z", period="hour")
    assert "There is no project nowhere." in page(operator("third"), USAGE, project="nowhere")


def test_who_may_not_look_is_turned_away():
    assert staff("view_price").get(USAGE).status_code == 403
    assert staff("view_usagehour").get(USAGE).status_code == 200


def test_bars_fill_the_box_by_the_greatest():
    assert bars([1, 0, 2], 2) == "M6 80V40h68V80zM166 80V0h68V80z"


def test_the_fairness_statement_is_told_week_by_week():
    ran(0, 12, project=builders.project(slug="vision"))
    roll_up()
    shown = page(operator(), USAGE, show="fairness", **WEEK)
    assert "2026-W19, Jain index 1.00" in shown
    assert "It had all that it wanted." in shown
    assert "group_by: " in page(operator("other"), USAGE, show="fairness", group_by="queue")
