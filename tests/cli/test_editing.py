"""`trainyard edit`, `trainyard clone` and `submit --begin`: what is asked of the server, and what is said."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.rows import job


def test_an_edit_sends_what_was_said_and_nothing_else(trainyard, connected):
    connected.answers("PATCH", "jobs/17", job(17))

    outcome = trainyard(
        "edit", 17, "--gpus", 2, "--time-limit", "2h", "--env", "A=1", "--unset-env", "B", "--begin", "none",
        "--", "python", "train.py", "--lr", "0.1",
    )  # fmt: skip

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "job 17 changed: begin_at, command, env, max_runtime_seconds, resources\n"
    assert connected.asked[-1].body == {
        "resources": {"gpus": 2}, "max_runtime_seconds": 7200, "env": {"A": "1", "B": None}, "begin_at": None,
        "command": ["python", "train.py", "--lr", "0.1"],
    }  # fmt: skip


def test_a_reason_goes_along_and_is_no_change(trainyard, connected):
    connected.answers("PATCH", "jobs/17", job(17))
    assert trainyard("edit", 17, "--gpus", 1, "--reason", "It fits.").out == "job 17 changed: resources\n"
    assert connected.asked[-1].body == {"resources": {"gpus": 1}, "reason": "It fits."}
    assert trainyard("edit", 17, "--reason", "It fits.").code == 2


def test_a_command_may_be_one_text(trainyard, connected):
    connected.answers("PATCH", "jobs/17", job(17))
    assert trainyard("edit", 17, "--command", "python 'a b.py'").code == 0
    assert connected.asked[-1].body == {"command": ["python", "a b.py"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["edit", "17"], "say what to change"),
        (["edit", "17", "--command", "a", "--", "b"], "--command and a command behind --"),
        (["edit", "17", "--command", "'a"], "--command: No closing quotation"),
        (["edit", "17", "--begin", "soon"], "--begin: 'soon' is no time to begin at"),
        (["edit", "17", "--time-limit", "soon"], "--time-limit: 'soon'"),
        (["clone"], "say what to clone"),
        (["clone", "17", "--workload", "a"], "say what to clone"),
        (["clone", "17", "--as", "a"], "--as names a new workload"),
        (["clone", "--workload", "a"], "--workload needs --as"),
        (["clone", "--workload", "a", "--as", "b", "--name", "c"], "--name is of one job"),
        (["submit", "--begin", "soon", "--", "true"], "--begin: 'soon'"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_and_nothing_is_asked(trainyard, connected, words, said):
    outcome = trainyard(*words)
    assert outcome.code == 2
    assert said in outcome.err
    assert connected.asked == []


def test_a_refusal_names_the_field(trainyard, connected):
    connected.refuses("PATCH", "jobs/17", 409, "Job 17 is queued: gpus can only be changed while it waits.")
    outcome = trainyard("edit", 17, "--gpus", 2)
    assert (outcome.code, outcome.err) == (1, "error: Job 17 is queued: gpus can only be changed while it waits.\n")


def test_a_clone_says_its_number(trainyard, connected):
    connected.answers("POST", "jobs/17/clone", job(18), status=201)
    outcome = trainyard("clone", 17, "--gpus", 2, "--project", "vision")
    assert outcome.out == "job 18 submitted, a clone of job 17\n"
    assert connected.asked[-1].body == {"resources": {"gpus": 2}, "project": "vision"}


def test_a_workload_is_cloned_by_its_name(trainyard, connected):
    connected.lists("workloads", {"id": 7, "name": "sweep-7", "project": "vision"})
    connected.answers("POST", "workloads/7/clone", {"id": 8, "name": "sweep-8"}, status=201)
    outcome = trainyard("clone", "--workload", "sweep-7", "--as", "sweep-8", "--time-limit", "4h", "--json")
    assert json.loads(outcome.out)["name"] == "sweep-8"
    assert connected.asked[-1].body == {"workload": "sweep-8", "max_runtime_seconds": 14_400}


def test_a_begin_is_sent_as_a_moment_with_its_zone(trainyard, connected):
    connected.answers("POST", "jobs", job(1), status=201)
    assert trainyard("submit", "--begin", "now+2h", "--", "true").code == 0
    begin = datetime.fromisoformat(connected.asked[-1].body["begin_at"])
    assert abs(begin - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)


def test_a_file_may_say_it_as_people_do(trainyard, connected, tmp_path):
    (tmp_path / "jobs.yaml").write_text(
        "defaults: {begin_at: tomorrow 8:00}\njobs:\n- {command: [a]}\n- {command: [b], begin_at: 2030-05-01T18:00:00Z}\n"
    )
    connected.answers("POST", "jobs/batch", {"count": 2, "batch": "", "jobs": []}, status=201)
    outcome = trainyard("batch", tmp_path / "jobs.yaml")
    assert outcome.code == 0, outcome.err
    body = connected.asked[-1].body
    assert datetime.fromisoformat(body["defaults"]["begin_at"]).utcoffset() is not None
    assert datetime.fromisoformat(body["jobs"][1]["begin_at"]) == datetime(2030, 5, 1, 18, tzinfo=UTC)

    (tmp_path / "jobs.yaml").write_text("- {command: [a], begin_at: soon}\n")
    refused = trainyard("batch", tmp_path / "jobs.yaml")
    assert (refused.code, "begin_at: 'soon' is no time to begin at" in refused.err) == (2, True)
