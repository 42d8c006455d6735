"""`trainyard explain` and `trainyard quote`: what people read about a start that is to come."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cli.views.predictions import spell_start, spell_time_until
from tests.cli.rows import job

NOW = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
THEN = {"Date": format_datetime(NOW, usegmt=True)}  # what the server's clock says


def at(seconds):
    """A moment so many seconds after the server's now, as it writes it."""
    return (NOW + timedelta(seconds=seconds)).isoformat()


def clock(seconds):
    return (NOW + timedelta(seconds=seconds)).astimezone().strftime("%H:%M:%S")


START = {"expected": at(600.4), "soonest": at(300), "latest": at(900), "later_than": None}
HOLDER = {
    "id": 17, "name": "sweep-3", "project": "vision", "owner": "ada", "state": "running", "node": "n1",
    "expected_end": at(600.4),
}  # fmt: skip
WAITS = {
    "position": 2,
    "line_length": 5,
    "starts_now": False,
    "nodes": [],
    "reasons": [
        {"code": "resources", "sentence": "Needs 2 GPUs.", "held_by": [17, 18], "expected_clear": at(600.4)},
        {"code": "queue_paused", "sentence": "Queue q is paused.", "held_by": [], "expected_clear": None},
    ],
    "holders": [HOLDER],
    "other_holders": 1,
    "predicted_start": START,
    "reservation": {"start": at(900.4), "nodes": ["n1", "n2"]},
    "changes": [{"field": "resources.gpus", "from": 2, "to": 1, "sentence": "With 1 GPU instead of 2 ..."}],
}


@pytest.fixture
def explained(trainyard, connected):
    def explain(answer):
        connected.answers("GET", "jobs/18/explain", {"job": 18, "state": "pending", "history": [], **answer}, **THEN)
        return trainyard("explain", 18)

    return explain


def test_a_job_that_waits_is_told_all_there_is_to_tell(explained):
    out = explained(WAITS).out

    for words in (
        "2 of 5", "probably in 10m 00s (", "between", "on n1, n2, in 15m 00s", "Needs 2 GPUs. Clears in 10m 00s (",
        "Queue q is paused.\n", "sweep-3", "ada", "and 1 of projects that you do not belong to", "With 1 GPU instead of 2",
    ):  # fmt: skip
        assert words in out


def test_a_floor_is_told_as_what_it_is(explained):
    assert "in 20m 00s (" + clock(1200) + "), by the limits of those before it" in " ".join(
        explained({**WAITS, "floor_start": at(1200.4)}).out.split()
    )


def test_without_a_floor_nothing_is_said_of_one(explained):
    assert "by the limits of those before it" not in explained({**WAITS, "floor_start": None}).out


@pytest.mark.parametrize("early", [True, False])
def test_only_a_job_that_runs_before_its_turn_is_told_that_it_gives_way(explained, early):
    out = explained({"state": "running", "before_its_turn": early}).out

    assert ("before its turn: it gives way" in out) == early


def test_a_job_that_starts_next_says_where_and_has_nothing_to_complain_of(explained):
    out = explained(
        {**WAITS, "starts_now": True, "nodes": ["n1"], "changes": [], "holders": [], "other_holders": 0}
    ).out

    assert "now, on n1" in out
    assert "waits because" not in out


def test_a_job_that_waits_again_tells_what_happened_before(explained):
    history = [{"at": at(0), "sentence": one} for one in ("Submitted.", "Placed on n1.", "Put back in line by ada.")]

    assert "Put back in line by ada." in explained({**WAITS, "history": history}).out


def test_a_job_without_a_place_in_line_says_so(explained):
    assert "none: it could not start if there was room" in explained({**WAITS, "position": None}).out


def test_whom_it_stops_and_what_each_holds_of_a_quota_are_told(explained):
    holds = [{"job": 17, "gpus": 4, "memory_gb": 1.5}]
    reason = {"code": "quota", "sentence": "Full.", "held_by": [17], "holds": holds}
    gives_way = [{"job": one, "strategy": "priority", "lost_seconds": 60.0} for one in (17, 18)]

    out = explained({**WAITS, "reasons": [reason], "gives_way": gives_way}).out

    assert "by stopping jobs 17, 18" in out
    assert "4 GPU, 1.5 GB" in out


def test_a_job_that_runs_tells_how_it_came_there(trainyard, connected):
    history = [{"at": at(0), "sentence": "Placed on n1 (GPU 0)."}, {"at": at(1), "sentence": "Started."}]
    connected.answers("GET", "jobs/18/explain", {"job": 18, "state": "running", "history": history})

    out = trainyard("explain", 18).out

    assert "running" in out
    assert "Placed on n1 (GPU 0)." in out
    assert "place in line" not in out


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"soonest": at(60)}, f"not before {clock(60)}; nobody can say when"),
        ({"later_than": at(60)}, f"later than {clock(60)}; nobody can say when"),
        ({"later_than": at(0)}, "too far back in line to say when"),
        ({}, "not as things are"),
        (None, ""),
        ({"expected": at(60), "soonest": at(30)}, f"probably in 1m 00s ({clock(60)}), not before {clock(30)}"),
        ({"expected": at(0), "soonest": at(0), "latest": at(0)}, "probably now"),
    ],
)
def test_a_start_is_told_as_far_as_it_is_known(start, words):
    assert spell_start(start, NOW) == words


def test_what_is_not_today_is_told_with_its_day():
    assert spell_time_until(at(3 * 86_400), NOW).startswith("in 3d 0h (")
    assert (NOW + timedelta(days=3)).astimezone().strftime("%a %d %b") in spell_time_until(at(3 * 86_400), NOW)


def test_a_quote_asks_what_a_submission_would_ask_and_submits_nothing(trainyard, connected):
    connected.answers("POST", "jobs/quote", {**WAITS, "estimated_cost": 1.5}, **THEN)

    out = trainyard("quote", "--gpus", 2, "--time", "2h", "--", "python", "train.py").out

    [asked] = connected.asked
    assert (asked.path, asked.body["resources"], asked.body["max_runtime_seconds"]) == ("jobs/quote", {"gpus": 2}, 7200)
    assert asked.body["command"] == ["python", "train.py"]
    for words in ("2 of 5", "probably in", "With 1 GPU instead of 2", "1.5"):
        assert words in out


def test_a_quote_needs_no_command(trainyard, connected):
    connected.answers("POST", "jobs/quote", {**WAITS, "estimated_cost": None})

    out = trainyard("quote", "--gpus", 2).out

    assert "cost" not in out
    assert connected.asked[0].body["command"] == ["true"]


def test_a_quote_that_is_refused_names_the_option(trainyard, connected):
    connected.refuses("POST", "jobs/quote", 400, "Refused.", ("resources.gpus", "No node has 9 GPUs."))

    outcome = trainyard("quote", "--gpus", 9)

    assert outcome.code == 1
    assert "No node has 9 GPUs." in outcome.err


@pytest.mark.parametrize(
    ("words", "method", "path"), [(["explain", 18], "GET", "jobs/18/explain"), (["quote"], "POST", "jobs/quote")]
)
def test_json_is_what_the_server_says(trainyard, connected, words, method, path):
    connected.answers(method, path, WAITS)

    assert json.loads(trainyard(*words, "--json").out) == WAITS


def test_a_list_says_when_a_waiting_job_probably_starts(trainyard, connected):
    connected.answers("GET", "jobs", {"next": None, "results": [job(18, predicted_start=at(600.4))]}, **THEN)

    assert "in 10m 00s" in trainyard("list").out


def test_a_job_s_page_tells_the_interval(trainyard, connected):
    times = {"predicted_start": at(600.4), "predicted_start_soonest": at(300), "predicted_start_latest": at(900)}
    times["floor_start"] = at(1200.4)
    connected.answers("GET", "jobs/18", job(18, **times), **THEN)
    for rows in ("attempts", "events"):
        connected.answers("GET", f"jobs/18/{rows}", {"next": None, "results": []}, **THEN)

    out = trainyard("show", 18).out

    assert "probably in 10m 00s" in out
    assert f"between {clock(300)} and {clock(900)}" in out
    assert f"in 20m 00s ({clock(1200)}), by the limits of those before it" in out
