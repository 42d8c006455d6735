"""wait, status --follow, and what is said of jobs that did not complete."""

import json

from tests.cli.rows import completed, failed, job, running
from tests.cli.yard import Answer

LOG = b"".join(b"line %d\n" % n for n in range(1, 101))


def log_of(yard, job_id, data=LOG):
    yard.answers("GET", f"jobs/{job_id}/logs", {"attempt": 1, "offset": 0, "next_offset": 4, "text": "line"})
    yard.says("GET", f"jobs/{job_id}/logs", Answer(headers={"Content-Type": "text/plain"}, pieces=[data]))


def test_waiting_ends_when_all_are_over(trainyard, connected):
    connected.answers("GET", "jobs/17", running(17), completed(17))
    connected.answers("GET", "jobs/18", completed(18))

    outcome = trainyard("wait", 17, 18)

    assert (outcome.code, outcome.out) == (0, "job 17 completed\njob 18 completed\n")


def test_waiting_for_a_start_ends_with_it(trainyard, connected):
    connected.answers("GET", "jobs/17", job(17), running(17))

    assert trainyard("wait", 17, "--for", "running").out == "job 17 running\n"


def test_a_job_that_fails_shows_the_end_of_its_log_and_the_exit_code(trainyard, connected):
    connected.answers("GET", "jobs/17", running(17), failed(17))
    log_of(connected, 17)

    outcome = trainyard("wait", 17)

    assert outcome.code == 1
    assert "  line 81\n" in outcome.err
    assert "line 80\n" not in outcome.err
    assert outcome.err.endswith("  line 100\nerror: job 17 failed: exit code 3\n")


def test_an_exit_code_is_told_beside_another_reason(trainyard, connected):
    connected.answers("GET", "jobs/17", failed(17, end_reason="timeout", exit_code=143, attempt=0))

    assert trainyard("wait", 17).err == "error: job 17 failed: timeout (exit code 143 (SIGTERM))\n"


def test_submitting_and_waiting_shows_it_too(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    connected.answers("GET", "jobs/17", failed(17))
    log_of(connected, 17)

    assert "  line 100\nerror: job 17 failed: exit code 3\n" in trainyard("submit", "--wait", "true").err


def test_a_program_gets_it_as_one_document(trainyard, connected):
    connected.answers("GET", "jobs/17", failed(17))
    log_of(connected, 17, b"boom\n")

    outcome = trainyard("wait", 17, "--json")

    assert json.loads(outcome.out)[0]["state"] == "failed"
    error = json.loads(outcome.err)["error"]
    assert (error["kind"], error["exit_code"]) == ("unsuccessful", 1)
    assert (error["jobs"][0]["exit_code"], error["jobs"][0]["log_end"]) == (3, ["boom"])


def test_patience_has_an_end_where_one_is_named(trainyard, connected):
    connected.answers("GET", "jobs/17", running(17))

    outcome = trainyard("wait", 17, "--timeout", "1")

    assert (outcome.code, outcome.err) == (1, "error: job 17 is still running on n1\n")


def test_status_is_a_line_each(trainyard, connected):
    reasons = [{"code": "gpus", "sentence": "2 GPUs are missing."}]
    connected.answers("GET", "jobs/17", running(17, progress=0.4))
    connected.answers("GET", "jobs/18", job(18, reasons=reasons))
    connected.answers("GET", "jobs/19", failed(19))

    assert trainyard("status", 17, 18, 19).out.splitlines() == [
        "job 17 running on n1 (40%)",
        "job 18 pending: 2 GPUs are missing.",
        "job 19 failed: exit code 3",
    ]


def test_following_the_status_tells_each_change_once(trainyard, connected):
    connected.answers("GET", "jobs/17", job(17), job(17), running(17), completed(17))

    outcome = trainyard("status", 17, "--follow")

    told = [line.split(" ", 1)[1] for line in outcome.out.splitlines()]
    assert (outcome.code, told) == (0, ["job 17 pending", "job 17 running on n1", "job 17 completed"])
