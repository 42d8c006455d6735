"""Commands for many jobs: chosen by what they have in common, asked about first."""

import json
import sys

import pytest
import typer

NOTHING = {"matched": 0, "changed": 0, "unchanged": 0, "refused": 0, "refusals": [], "jobs": [], "newest": None}


def outcome(*job_ids, **more):
    known = {
        "matched": len(job_ids),
        "changed": len(job_ids),
        "jobs": list(job_ids),
        "newest": max(job_ids, default=None),
    }
    return {**NOTHING, **known, "dry_run": False, **more}


def test_jobs_that_match_are_cancelled_in_one_request(trainyard, connected):
    connected.answers("POST", "jobs/cancel", outcome(3, 5))
    told = trainyard(
        "cancel", "--state", "pending", "--queue", "batch", "--name", "x*", "--label", "k=v", "--project", "p", "--yes"
    )
    assert (told.code, told.out) == (0, "2 jobs cancelled: 3, 5\n")
    [asked] = connected.asked
    assert asked.body == {
        "filter": {"state": ["pending"], "project": "p", "queue": "batch", "name": "x*", "label": ["k=v"]}
    }


def test_many_numbers_go_in_one_request(trainyard, connected):
    connected.answers("POST", "jobs/hold", outcome(*range(1, 31)))
    told = trainyard("hold", *range(1, 31), "--reason", "no data")
    assert told.out.startswith("30 jobs held: 1, 2, 3, ")
    [asked] = connected.asked
    assert asked.body == {"ids": list(range(1, 31)), "reason": "no data"}


def test_without_a_terminal_nobody_can_be_asked(trainyard, connected):
    connected.answers("POST", "jobs/cancel", outcome(3, 5, dry_run=True))
    told = trainyard("cancel", "--queue", "batch")
    assert (told.code, told.out) == (2, "")
    assert "cancel 2 jobs (3, 5)? There is nobody to ask: add --yes" in told.err
    assert [asked.body.get("dry_run") for asked in connected.asked] == [True]


@pytest.mark.parametrize(("answer", "code", "requests"), [(True, 0, 2), (False, 1, 1)])
def test_at_a_terminal_it_asks_and_keeps_out_what_came_meanwhile(
    trainyard, connected, monkeypatch, answer, code, requests
):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer)
    connected.answers("POST", "jobs/cancel", outcome(3, 5, dry_run=True), outcome(3, 5))
    assert trainyard("cancel", "--all").code == code
    assert [asked.body for asked in connected.asked] == [
        {"all": True, "dry_run": True}, {"filter": {"id_max": 5}},
    ][:requests]  # fmt: skip


def test_a_dry_run_says_what_would_become_of_it(trainyard, connected):
    connected.answers("POST", "jobs/requeue", outcome(7, dry_run=True))
    assert trainyard("requeue", 7, "--dry-run").out == "would be requeued: 1 job: 7\n"
    assert connected.asked[0].body == {"ids": [7], "dry_run": True}


def test_refusals_are_named_and_make_it_a_refusal(trainyard, connected):
    refusals = [{"job": n, "reason": f"Job {n} is paused already."} for n in range(1, 24)]
    connected.answers("POST", "jobs/pause", outcome(99, matched=25, unchanged=1, refused=24, refusals=refusals))
    told = trainyard("pause", "--mine", "--yes")
    assert (told.code, told.out) == (1, "1 job paused: 99\n")
    assert "1 job needed no change" in told.err
    assert "error: job 1: Job 1 is paused already." in told.err
    assert told.err.endswith("error: and 4 more\n")


def test_json_is_the_server_s_answer(trainyard, connected):
    connected.answers("POST", "jobs/resume", outcome(3))
    assert json.loads(trainyard("resume", "--user", "ann", "--yes", "--json").out) == outcome(3)


def test_jobs_are_chosen_by_what_a_list_is_narrowed_down_by(trainyard, connected):
    connected.answers("POST", "jobs/cancel", outcome(3))
    connected.lists("jobs")
    filters = ["-s", "running", "-q", "live", "--node", "n1", "--name", "x*", "-l", "k=v", "-u", "ann"]
    trainyard("cancel", *filters, "--yes")
    trainyard("list", *filters)
    cancelled, listed = connected.asked[0].body["filter"], connected.asked[1].query
    in_a_list = {name: listed[name] if name in ("state", "label") else listed[name][0] for name in cancelled}
    assert cancelled == in_a_list
    assert cancelled["node"] == "n1"


def test_no_job_that_matches_is_said(trainyard, connected):
    connected.answers("POST", "jobs/release", {**NOTHING, "dry_run": True})
    connected.lists("queues", {"name": "batch"})
    told = trainyard("release", "--queue", "batch")
    assert (told.code, told.out, told.err) == (0, "0 jobs released\n", "no jobs match\n")
    assert [one.method for one in connected.asked] == ["POST", "GET"], "nothing is asked of the jobs"


@pytest.mark.parametrize(
    "words",
    [
        ["cancel"],
        ["cancel", "--yes"],
        ["cancel", 1, "--queue", "batch"],
        ["cancel", 1, "--all"],
        ["cancel", "--mine", "-u", "ann", "--yes"],
    ],
)
def test_too_little_and_too_much_are_usage_errors(trainyard, connected, words):
    assert trainyard(*words).code == 2
    assert connected.asked == []


def test_many_get_another_place_in_line(trainyard, connected):
    connected.answers("PATCH", "jobs", outcome(3, 5))
    told = trainyard(
        "change", "--queue", "batch", "--set-priority", "urgent", "--set-queue", "live", "--set-label", "a=b", "-y"
    )
    assert told.out == "2 jobs changed: 3, 5\n"
    assert connected.asked[0].body == {
        "filter": {"queue": "batch"}, "priority": "urgent", "queue": "live", "labels": {"a": "b"},
    }  # fmt: skip


def test_a_change_of_nothing_is_a_usage_error(trainyard, connected):
    assert trainyard("change", 1).code == 2
