import json

from tests.cli.rows import completed, failed, job, running


def test_a_submitted_job_is_named_and_the_next_step_shown(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)

    outcome = trainyard("submit", "--gpus", 1, "--", "python", "train.py", "--lr", "0.1")

    assert (outcome.code, outcome.out) == (0, "job 17 submitted\n")
    assert "trainyard logs -f 17" in outcome.err
    assert connected.asked[0].body["command"] == ["python", "train.py", "--lr", "0.1"]


def test_options_behind_the_command_belong_to_the_command(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)

    trainyard("submit", "--cpus", 2, "python", "train.py", "--json", "--cpus", "9")

    assert connected.asked[0].body["command"] == ["python", "train.py", "--json", "--cpus", "9"]
    assert connected.asked[0].body["resources"] == {"cpus": 2}


def test_a_key_that_was_used_gives_the_first_job(trainyard, connected):
    connected.answers("POST", "jobs", running(17))

    assert trainyard("submit", "--key", "k", "true").out == "job 17 has this key already, and is running\n"


def test_the_project_may_come_from_the_environment(trainyard, connected, monkeypatch):
    connected.answers("POST", "jobs", job(17), status=201)
    monkeypatch.setenv("TRAINYARD_PROJECT", "vision")

    trainyard("submit", "true")

    assert connected.asked[0].body["project"] == "vision"


def test_a_refusal_names_each_field_on_its_line(trainyard, connected):
    connected.refuses("POST", "jobs", 400, "Invalid.", ("priority", "At most 100."), ("resources.gpus", "At least 0."))

    outcome = trainyard("submit", "--priority", "101", "--gpus", "-1", "true")

    assert outcome.code == 1
    assert outcome.err == "error: priority: At most 100.\nerror: resources.gpus: At least 0.\n"
    assert outcome.out == ""


def test_a_job_needs_a_command(trainyard, connected):
    outcome = trainyard("submit", "--gpus", 1)

    assert outcome.code == 2
    assert "Missing argument" in outcome.err


def test_json_is_the_job_as_the_server_tells_it(trainyard, connected):
    connected.answers("POST", "jobs", job(17, name="größe"), status=201)

    assert json.loads(trainyard("submit", "--json", "true").out) == job(17, name="größe")


def test_waiting_tells_each_change_and_ends_well_with_the_job(trainyard, connected):
    waits = job(17, reasons=[{"code": "gpus", "sentence": "No GPU is free."}])
    connected.answers("POST", "jobs", waits, status=201)
    connected.answers("GET", "jobs/17", waits, running(17), completed(17))

    outcome = trainyard("submit", "--wait", "true")

    told = [line.split(" ", 1)[1] for line in outcome.err.splitlines()]
    assert outcome.code == 0
    assert told == ["job 17 pending: No GPU is free.", "job 17 running on n1", "job 17 completed"]


def test_waiting_for_a_job_that_fails_says_why(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    connected.answers("GET", "jobs/17", failed(17))

    outcome = trainyard("submit", "-w", "true")

    assert outcome.code == 1
    assert "error: job 17 failed: exit code 3\n" in outcome.err


def test_waiting_survives_a_server_that_is_away_for_a_moment(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    connected.refuses("GET", "jobs/17", 503, "The database is starting.")
    connected.answers("GET", "jobs/17", completed(17))

    outcome = trainyard("submit", "-w", "true")

    assert outcome.code == 0
    assert "The database is starting" in outcome.err


def test_waiting_with_json_prints_the_job_as_it_ended(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    connected.answers("GET", "jobs/17", failed(17))

    outcome = trainyard("submit", "-w", "--json", "true")

    assert (outcome.code, json.loads(outcome.out)["state"]) == (1, "failed")


def test_following_prints_what_each_attempt_writes(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    connected.answers("GET", "jobs/17", running(17), completed(17, attempt=2))
    connected.streams(
        "jobs/17/logs", 'data: {"offset": 0, "next_offset": 4, "text": "one\\n"}\n\n', "event: end\ndata: {}\n\n"
    )
    connected.streams(
        "jobs/17/logs", 'data: {"offset": 0, "next_offset": 4, "text": "two\\n"}\n\n', "event: end\ndata: {}\n\n"
    )

    outcome = trainyard("submit", "-f", "true")

    assert (outcome.code, outcome.out) == (0, "job 17 submitted\none\ntwo\n")
    assert [asked.query["attempt"] for asked in connected.asked if asked.path.endswith("logs")] == [["1"], ["2"]]
