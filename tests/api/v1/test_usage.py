"""Usage over REST: who sees what, what is refused, and tables that no spreadsheet takes for formulas."""

import csv
from io import StringIO

import pytest

from jobs.usage import rollup
from tests import builders
from tests.jobs.usage.yard import at, ran, roll_up
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
DAY = {"since": "2026-05-04T00:00:00Z", "until": "2026-05-05T00:00:00Z"}


@pytest.fixture(autouse=True)
def a_day_later(monkeypatch):
    monkeypatch.setattr(rollup, "database_now", lambda: at(30.5))


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def usage(client, **query):
    response = client.get(f"{V1}/usage", DAY | query)
    assert response.status_code == 200, response.content
    return response.json()


def keys(answer, name="gpu_hours"):
    return {row["key"]: row[name] for row in answer["rows"]}


def test_a_report_has_its_rows_and_their_sum(staff):
    ran(0, 2, reason="exit_code", project=builders.project(slug="vision"), submitted=0)
    roll_up()
    answer = usage(staff)
    (row,) = answer["rows"]
    assert (row["key"], row["period"], row["gpu_hours"], row["cpu_hours"]) == ("vision", None, 2, 16)
    assert (row["failed_gpu_hours_owner"], row["failed_gpu_hours_platform"], row["energy_kwh"]) == (2, 0, None)
    assert (answer["total"]["attempts"], answer["total"]["cost"], answer["left_off"]) == (1, "0.000000", 0)
    assert answer["rolled_up_until"] == "2026-05-05T06:00:00Z"


def test_periods_are_named_as_the_place_calls_them(staff):
    ran(20, 24)
    roll_up()
    for period, names in (
        (
            "hour",
            ["2026-05-04T22:00+02:00", "2026-05-04T23:00+02:00", "2026-05-05T00:00+02:00", "2026-05-05T01:00+02:00"],
        ),
        ("day", ["2026-05-04", "2026-05-05"]),
        ("week", ["2026-W19"]),
        ("month", ["2026-05"]),
    ):
        answer = usage(staff, group_by="queue", period=period, time_zone="Europe/Berlin")
        assert [row["period"] for row in answer["rows"]] == names
        assert sum(row["gpu_hours"] for row in answer["rows"]) == 4


def test_members_see_their_projects_and_nobody_elses():
    org, other = builders.project(slug="org"), builders.project(slug="other")
    team = builders.project(slug="team", parent=org)
    ran(0, 1, project=team), ran(0, 2, project=other), ran(0, 4, project=org)
    roll_up()
    client = client_of(builders.member(project=team, role="viewer"))
    assert keys(usage(client)) == {"team": 1}
    assert usage(client, group_by="queue")["total"]["gpu_hours"] == 1
    assert client.get(f"{V1}/usage", {"project": "other"}).status_code == 404
    assert keys(usage(client_of(builders.member(project=org)), project="org")) == {"org": 5, "team": 1}
    assert client_of().get(f"{V1}/usage").status_code == 401


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"until": "2026-05-03T00:00:00Z"}, "until", "after since"),
        ({"since": "yesterday"}, "since", "with its zone"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Europe/Berlin"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "Europe/Berlin"),
        ({"time_zone": "Europe"}, "time_zone", "Europe/Berlin"),
        ({"group_by": "colour"}, "group_by", "project, user, queue, hardware, node"),
        ({"group_by": "label:"}, "group_by", "label:NAME"),
        ({"label": "vision"}, "label", "NAME=VALUE"),
        ({"period": "year"}, "period", "year"),
        ({"period": "hour", "since": "2026-01-01T00:00:00Z"}, "since", "At most 750 hours"),
        ({"since": "0001-01-01T00:00:00Z"}, "since", "1970"),
        ({"until": "9999-12-31T00:00:00Z"}, "until", "9000"),
        ({"grouped": "user"}, "grouped", "no such field"),
        ({"limit": "0"}, "limit", "1"),
    ],
)
def test_bad_input_is_refused_by_its_field(staff, query, field, words):
    response = staff.get(f"{V1}/usage", DAY | query)
    assert response.status_code == 400, response.content
    assert words in faults(response)[field]


def test_a_table_has_no_formulas(staff):
    ran(0, 1, labels={"team": "=1+1"})
    ran(1, 2, labels={"team": "@SUM(A1)"})
    roll_up()
    response = staff.get(f"{V1}/usage/export", DAY | {"group_by": "label:team"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(StringIO(response.getvalue().decode())))
    assert {row["label:team"] for row in table} == {"'=1+1", "'@SUM(A1)"}
    assert table[0]["gpu_hours"] == "1.0"


def test_of_what_nobody_used_there_is_nothing(staff):
    roll_up()
    answer = usage(staff, period="day")
    assert (answer["rows"], answer["total"]["gpu_hours"]) == ([], 0)


def test_without_times_it_is_this_month(staff):
    answer = staff.get(f"{V1}/usage").json()
    assert answer["since"].endswith("-01T00:00:00Z")


def test_the_fairness_statement_is_told_week_by_week(staff):
    ran(0, 2, project=builders.project(slug="vision"))
    roll_up()
    answer = staff.get(
        f"{V1}/usage/fairness", {"since": "2026-05-04T00:00:00Z", "until": "2026-05-12T00:00:00Z"}
    ).json()
    assert [week["week"] for week in answer["weeks"]] == ["2026-W19", "2026-W20"]
    assert answer["weeks"][0]["jain_index"] == 1
    (told,) = answer["weeks"][0]["statements"]
    assert (told["key"], told["entitled"], told["received"], told["why"]) == (
        "vision",
        2,
        2,
        "It had all that it wanted.",
    )
    assert answer["weeks"][1] | {"start": None} == {
        "week": "2026-W20",
        "start": None,
        "jain_index": None,
        "statements": [],
    }


def test_of_fairness_members_see_their_own_rows():
    team, other = builders.project(slug="team"), builders.project(slug="other")
    ran(0, 1, project=team), ran(0, 2, project=other)
    roll_up()
    client = client_of(builders.member(project=team, role="viewer"))
    (week,) = client.get(f"{V1}/usage/fairness", DAY).json()["weeks"]
    assert [one["key"] for one in week["statements"]] == ["team"]
    assert client.get(f"{V1}/usage/fairness", DAY | {"project": "other"}).status_code == 404
    assert client_of().get(f"{V1}/usage/fairness").status_code == 401


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"since": "2020-01-01T00:00:00Z"}, "since", "At most 53 weeks"),
        ({"group_by": "queue"}, "group_by", "queue"),
        ({"time_zone": ""}, "time_zone", "Europe/Berlin"),
        ({"until": "2026-05-01T00:00:00Z"}, "until", "after since"),
    ],
)
def test_bad_input_for_fairness_is_refused_by_its_field(staff, query, field, words):
    response = staff.get(f"{V1}/usage/fairness", DAY | query)
    assert response.status_code == 400, response.content
    assert words in faults(response)[field]
