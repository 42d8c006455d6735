import json
from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
CLOCK = {"Date": "Wed, 01 May 2030 12:00:00 GMT"}


def kept(name, begins_in, ends_in, project=None, nodes=("n1",)):
    """A reservation as the server answers it; its hours are counted from NOW."""
    start, end = ((NOW + timedelta(hours=hours)).isoformat() for hours in (begins_in, ends_in))
    return {
        "name": name,
        "nodes": list(nodes),
        "start": start,
        "end": end,
        "project": project,
        "created_by": "ops",
        "created_at": NOW.isoformat(),
    }


def lists(yard, *rows):
    yard.answers("GET", "reservations", {"next": None, "previous": None, "results": list(rows)}, **CLOCK)


def test_what_is_kept_now_and_later_is_listed_and_what_is_over_is_not(trainyard, connected):
    lists(connected, kept("old", -2, -1), kept("cooling", -1, 3), kept("paper", 24, 48, "vision", ("n1", "n2")))

    _, now, later = trainyard("reservations").out.splitlines()

    assert now.split()[:3] == ["cooling", "now", "(maintenance)"]
    assert later.split()[:3] == ["paper", "ahead", "vision"]
    assert "n1, n2" in later


def test_no_reservations_are_told_in_words(trainyard, connected):
    lists(connected, kept("old", -2, -1))

    outcome = trainyard("reservations")

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "no nodes are kept now or later\n")


def test_json_holds_what_is_over_too(trainyard, connected):
    lists(connected, kept("old", -2, -1))

    assert json.loads(trainyard("reservations", "--json").out) == [kept("old", -2, -1)]


def test_nodes_are_kept_from_a_moment_for_a_while(trainyard, connected):
    connected.answers("POST", "reservations", kept("paper", 0, 8, "vision", ("n1", "n2")), status=201)
    words = ["--node", "n1", "-n", "n2", "--start", "2030-05-01T12:00+00:00", "--for", "8h", "--project", "vision"]

    outcome = trainyard("reservations", "add", "paper", *words)

    assert outcome.code == 0
    assert outcome.out.startswith("paper keeps n1, n2 for project vision from ")
    assert connected.asked[0].body == {
        "name": "paper",
        "nodes": ["n1", "n2"],
        "start": "2030-05-01T12:00:00+00:00",
        "end": "2030-05-01T20:00:00+00:00",
        "project": "vision",
    }


def test_without_a_start_and_a_project_it_is_maintenance_at_once(trainyard, connected):
    connected.answers("POST", "reservations", kept("cooling", 0, 1), status=201)
    before = datetime.now(UTC)

    assert " for maintenance from " in trainyard("reservations", "add", "cooling", "-n", "n1", "--for", "1h").out

    body = connected.asked[0].body
    assert before <= datetime.fromisoformat(body["start"]) <= datetime.now(UTC)
    assert datetime.fromisoformat(body["end"]) - datetime.fromisoformat(body["start"]) == timedelta(hours=1)
    assert body["project"] is None


def test_the_field_that_the_server_refuses_is_named(trainyard, connected):
    taken = ("nodes", "Node n1 is kept by reservation paper then.")
    connected.refuses("POST", "reservations", 400, "The reservation was refused.", taken)

    outcome = trainyard("reservations", "add", "cooling", "-n", "n1", "--for", "1h")

    assert outcome.code == 1
    assert "nodes: Node n1 is kept by reservation paper then." in outcome.err


def test_nodes_are_given_back(trainyard, connected):
    connected.answers("DELETE", "reservations/paper", None)

    assert trainyard("reservations", "remove", "paper").out == "reservation paper is gone\n"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["-n", "n1", "--for", "soon"], "--for"),
        (["-n", "n1", "--for", "999999999999w"], "--for"),
        (["-n", "n1", "--for", "1h", "--start", "tomorrow"], "--start"),
        (["-n", "n1"], "--for"),
        (["--for", "1h"], "--node"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error_that_names_its_option(trainyard, connected, words, option):
    outcome = trainyard("reservations", "add", "cooling", *words)

    assert outcome.code == 2
    assert option in outcome.err
    assert not connected.asked
