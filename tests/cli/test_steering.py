"""`trainyard migrate`, `migrations` and `scheduler`: what they ask, and what they say of the answers."""

import json

import pytest

CLOCK = {"Date": "Wed, 01 May 2030 12:00:00 GMT"}
PLAN = {
    "job": 7, "possible": True, "sources": ["n1"], "targets": ["n2"], "obstacles": [], "lost_seconds": 90.0,
    "grace_seconds": None, "displaced": [],
}  # fmt: skip


def migration(number=3, **more):
    known = {
        "id": number, "job": 7, "project": "vision", "state": "stopping", "origin": "asked", "asked_by": "ann",
        "reason": "noisy", "message": "", "sources": ["n1"], "targets": ["n2"], "nodes": [], "lost_seconds": 90.0,
        "took_seconds": None, "created_at": "2030-05-01T11:00:00Z",
    }  # fmt: skip
    return known | more


def setting(name, kind, value, **more):
    known = {
        "source": "environment",
        "default": value,
        "set_by": "",
        "set_at": None,
        "reason": "",
        "fault": "",
        "help": "What it does.",
    }
    return {"name": name, "kind": kind, "value": value} | known | more


def test_a_job_is_moved(trainyard, connected):
    connected.answers("POST", "jobs/7/migrations", migration(), status=201)
    outcome = trainyard("migrate", "7", "--to", "n2", "--reason", "noisy")
    assert (outcome.code, outcome.out) == (0, "job 7 moves from n1 to n2 (migration 3)\n")
    assert connected.asked[0].body == {"node": "n2", "reason": "noisy", "force": False, "dry_run": False}


def test_a_dry_run_says_what_would_come_of_it(trainyard, connected):
    connected.answers("POST", "jobs/7/migrations", PLAN)
    outcome = trainyard("migrate", "7", "--dry-run")
    assert (outcome.code, outcome.out) == (0, "job 7 would move from n1 to n2; 1m 30s of its work are done again\n")


def test_a_dry_run_that_could_not_be_is_told_with_all_that_stands_against_it(trainyard, connected):
    against = [{"code": "there", "sentence": "The job runs on n1 already."}]
    connected.answers("POST", "jobs/7/migrations", PLAN | {"possible": False, "targets": [], "obstacles": against})
    outcome = trainyard("migrate", "7", "--to", "n1", "--dry-run")
    assert (outcome.code, outcome.out) == (1, "job 7 cannot be moved\n")
    assert "The job runs on n1 already." in outcome.err


def test_the_history_is_a_table(trainyard, connected):
    done = migration(4, state="done", nodes=["n2"], took_seconds=12.0, origin="drain", asked_by="")
    connected.answers("GET", "migrations", {"next": None, "results": [done, migration()]}, **CLOCK)
    _, first, second = trainyard("migrations", "--node", "n1").out.splitlines()
    assert first.split()[:6] == ["4", "7", "done", "n1", "n2", "drain"]
    assert second.split()[:6] == ["3", "7", "stopping", "n1", "n2", "ann"]
    assert connected.asked[0].query["node"] == ["n1"]


def test_the_move_that_is_under_way_is_called_off(trainyard, connected):
    connected.answers("GET", "jobs/7/migrations", {"next": None, "results": [migration(3), migration(2, state="done")]})
    connected.answers("DELETE", "jobs/7/migrations/3", migration(3, state="cancelled"))
    connected.answers("GET", "jobs/7/migrations/3", migration(3, state="cancelled"))
    assert trainyard("migrations", "cancel", "7").out == "job 7 is not moved: migration 3 is cancelled\n"


def test_the_last_move_that_is_done_is_taken_back(trainyard, connected):
    connected.answers(
        "GET",
        "jobs/7/migrations",
        {"next": None, "results": [migration(3, state="failed"), migration(2, state="done")]},
    )
    connected.answers("POST", "jobs/7/migrations/2/rollback", migration(4, sources=["n2"], targets=["n1"]), status=201)
    assert trainyard("migrations", "rollback", "7").out == "job 7 moves from n2 to n1 (migration 4)\n"
    connected.answers("GET", "jobs/8/migrations", {"next": None, "results": []})
    assert "job 8 is not being moved" in trainyard("migrations", "cancel", "8").err


@pytest.mark.parametrize(
    ("kind", "typed", "sent"),
    [
        ("word", "on", "on"),
        ("whole", "5", 5),
        ("number", "soon", "soon"),  # for the server to refuse
        ("yes_no", "no", False),
        ("words", "priority,reclaim", ["priority", "reclaim"]),
        ("words", "none", []),
        ("weights", "age=10,size=2.5", {"age": 10.0, "size": 2.5}),
    ],
)
def test_a_setting_is_sent_as_what_it_is(trainyard, connected, kind, typed, sent):
    connected.answers("GET", "scheduler/settings", {"settings": [setting("knob", kind, sent)]})
    connected.answers("PATCH", "scheduler/settings", {"settings": [setting("knob", kind, sent, source="set")]})
    outcome = trainyard("scheduler", "settings", "set", "knob", typed, "--reason", "drill")
    assert outcome.code == 0
    assert connected.asked[-1].body == {"knob": sent, "reason": "drill"}
    assert outcome.out.startswith("knob is ")


def test_settings_say_whose_they_are(trainyard, connected):
    told = [
        setting("policy", "word", "fifo", source="set", set_by="ops", set_at="2030-05-01T11:00:00Z"),
        setting("preemption", "words", []),
    ]
    connected.answers("GET", "scheduler/settings", {"settings": told})
    _, first, second = trainyard("scheduler", "settings").out.splitlines()
    assert first.split()[:3] == ["policy", "fifo", "ops,"]
    assert second.split()[:3] == ["preemption", "none", "environment"]
    assert json.loads(trainyard("scheduler", "settings", "--json").out) == told


def test_a_setting_is_given_back_and_its_history_told(trainyard, connected):
    connected.answers("PATCH", "scheduler/settings", {"settings": [setting("policy", "word", "priority")]})
    assert trainyard("scheduler", "settings", "unset", "policy").out == "policy is priority (environment)\n"
    assert connected.asked[-1].body == {"policy": None, "reason": ""}
    change = {
        "id": 1,
        "name": "policy",
        "old": "fifo",
        "new": None,
        "by": "ops",
        "reason": "over",
        "at": "2030-05-01T11:00:00Z",
    }
    connected.answers("GET", "scheduler/settings/history", {"next": None, "results": [change]})
    assert "as its environment says" in trainyard("scheduler", "settings", "history").out


def test_who_would_give_way_is_a_table(trainyard, connected):
    one = {"job": 4, "name": None, "project": None, "queue": None, "priority": None, "node": None, "strategy": "priority",
           "lost_seconds": 61.0, "chosen": True}  # fmt: skip
    connected.answers(
        "GET", "jobs/9/preemption-candidates", {"job": 9, "starts_now": False, "stops_left": 5, "candidates": [one]}
    )
    assert trainyard("scheduler", "candidates", "9").out.splitlines()[1].split() == [
        "4",
        "priority",
        "1m",
        "01s",
        "stopped",
        "next",
    ]
    connected.answers(
        "GET", "jobs/8/preemption-candidates", {"job": 8, "starts_now": True, "stops_left": 5, "candidates": []}
    )
    assert trainyard("scheduler", "candidates", "8").err == "job 8 starts now\n"


def test_preemptions_are_listed_or_summed_up(trainyard, connected):
    row = {"id": 1, "at": "2030-05-01T11:00:00Z", "job": 4, "project": "vision", "for_job": 9, "strategy": "priority",
           "lost_seconds": 61.0, "gave_way": None}  # fmt: skip
    connected.answers("GET", "scheduler/preemptions", {"next": None, "results": [row]})
    assert "not yet" in trainyard("scheduler", "preemptions").out
    sums = {"group": "2030-05-01", "requested": 2, "gave_way": 1, "lost_seconds": 61.0, "lost_gpu_seconds": 122.0}
    connected.answers("GET", "scheduler/preemptions/statistics", {"by": "day", "groups": [sums]})
    told = trainyard("scheduler", "preemptions", "--by", "day", "--since", "2030-04-01").out.splitlines()
    assert told[1].split()[:3] == ["2030-05-01", "2", "1"]
    assert connected.asked[-1].query["since"] == ["2030-04-01T00:00:00Z"]


def test_without_more_words_the_scheduler_says_how_it_decides(trainyard, connected):
    info = {"policy": "fifo", "rebalancing": {"mode": "on"}, "pending_jobs": 3, "alerts": ["late"],
            "cycle": {"started_at": "2030-05-01T11:00:00Z", "duration_ms": 12.3, "placed": 1}}  # fmt: skip
    connected.answers("GET", "jobs/scheduler/info", info)
    told = trainyard("scheduler").out
    assert all(word in told for word in ("fifo", "on", "12 ms", "late"))
