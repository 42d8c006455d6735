import json
from datetime import UTC, datetime

import pytest

from cli.views.jobs import spell_end, spell_run
from tests.cli.rows import failed, job, running

EVENT = {"at": "2030-01-01T12:00:00Z", "kind": "submitted", "to_state": "pending", "actor": "ada", "message": ""}
ATTEMPT = {
    "number": 1,
    "started_at": "2030-01-01T12:05:00Z",
    "ended_at": "2030-01-01T12:06:30Z",
    "end_reason": "node_lost",
    "exit_code": None,
    "message": "n1 fell silent",
}


@pytest.fixture
def shown(trainyard, connected):
    def show(row, *words, attempts=(), events=()):
        connected.answers("GET", f"jobs/{row['id']}", row)
        connected.lists(f"jobs/{row['id']}/attempts", *attempts)
        connected.lists(f"jobs/{row['id']}/events", *events)
        return trainyard("show", row["id"], *words)

    return show


def test_a_job_is_shown_with_all_that_is_known(shown):
    row = running(
        17,
        command=["python", "train.py", "--note", "a b"],
        env={"LR": "0.1"},
        metrics={"loss": 0.123456789},
        progress=0.5,
    )

    out = shown(row).out

    for words in ("job 17 train", "python train.py --note 'a b'", "LR=0.1", "loss=0.123457", "50%", "waited 5m 00s"):
        assert words in out
    assert "predicted" not in out


def test_a_job_that_waits_is_shown_with_all_its_reasons(shown):
    reasons = [
        {"code": "gpus", "sentence": "2 GPUs are missing.", "held_by": [3, 4]},
        {"code": "q", "sentence": "No quota."},
    ]

    out = shown(job(17, reasons=reasons, predicted_start="2030-01-01T13:00:00Z", position=2)).out

    assert "2 GPUs are missing. (held by 3, 4)\nNo quota." in out
    assert "predicted start" in out
    assert "place 2 in line" in out


def test_a_job_that_failed_is_shown_with_its_attempts_and_events(shown):
    out = shown(failed(17, message="boom"), attempts=[ATTEMPT], events=[EVENT]).out

    for words in ("exit code 3", "node lost", "1m 30s", "n1 fell silent", "submitted", "ada"):
        assert words in out


def test_json_is_the_job_with_its_attempts_and_events(shown):
    out = json.loads(shown(job(17), "--json", attempts=[ATTEMPT], events=[EVENT]).out)

    assert out == {**job(17), "attempts": [ATTEMPT], "events": [EVENT]}


def test_a_job_that_is_not_there_is_refused(trainyard, connected):
    connected.refuses("GET", "jobs/99", 404, "There is no job 99.")

    outcome = trainyard("show", 99)

    assert (outcome.code, outcome.out, outcome.err) == (1, "", "error: There is no job 99.\n")


def test_an_id_that_is_no_number_is_a_usage_error(trainyard, connected):
    assert trainyard("show", "train").code == 2


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ({"end_reason": "exit_code", "exit_code": 3, "message": "Generic."}, "exit code 3"),
        ({"end_reason": "exit_code", "exit_code": 139}, "exit code 139 (SIGSEGV)"),
        ({"end_reason": "timeout", "message": "Too long."}, "timeout: Too long."),
        ({"end_reason": "start_failed", "message": "cannot start './x'"}, "start failed: cannot start './x'"),
        ({"state": "cancelled", "end_reason": "cancelled", "message": "Cancelled by ada."}, "Cancelled by ada."),
        ({"state": "cancelled", "end_reason": "cancelled"}, "cancelled"),
    ],
)
def test_an_end_is_told_in_a_few_words(ended, words):
    assert spell_end(failed(17, **{"message": "", **ended})) == words


def test_the_members_of_a_gang_are_shown_with_their_nodes_and_gpus(shown):
    members = [
        {"rank": rank, "node": f"n{rank}", "cpus": 4, "gpu_indices": [rank, 5], "state": "running"} for rank in (1, 0)
    ]

    out = shown(running(17), attempts=[ATTEMPT | {"placements": members}]).out

    lines = [line.split() for line in out.partition("members of attempt 1")[2].splitlines()]
    assert [words for words in lines if "running" in words] == [
        ["0", "n0", "4", "0,", "5", "running"],
        ["1", "n1", "4", "1,", "5", "running"],
    ]


def test_a_command_over_several_lines_is_shown_so_that_it_can_be_copied(shown):
    row = running(17, command=["sh", "-c", "if true; then\n  echo two\nfi"])
    assert r"sh -c $'if true; then\n  echo two\nfi'" in shown(row).out


@pytest.mark.parametrize(
    ("row", "ran"),
    [
        (job(state="paused", started_at="2030-01-01T12:05:00Z", run_seconds=22.0, running_since=None), "22s"),
        (job(state="pending", started_at="2030-01-01T12:05:00Z", run_seconds=22.0, running_since=None), "22s"),
        (running(run_seconds=22.0, running_since="2030-01-01T12:59:50Z"), "32s"),
        (job(run_seconds=None, running_since=None), ""),
        (job(state="paused", started_at="2030-01-01T12:05:00Z"), ""),
    ],
)
def test_the_time_that_a_job_ran_stands_still_while_it_rests(row, ran):
    assert spell_run(row, datetime(2030, 1, 1, 13, tzinfo=UTC)) == ran
