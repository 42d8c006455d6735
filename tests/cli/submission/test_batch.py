import io
import json
import sys
from pathlib import Path

import pytest

JOBS = [{"name": "a", "command": ["true"]}, {"name": "b", "command": ["false"]}]


@pytest.fixture
def accepting(connected):
    rows = [{"id": 7, "name": "a", "state": "pending"}, {"id": 8, "name": "b", "state": "pending"}]
    connected.answers("POST", "jobs/batch", {"count": 2, "jobs": rows}, status=201)
    return connected


def written(name, text):
    Path(name).write_text(text)
    return name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.json", json.dumps(JOBS)),
        ("object.json", json.dumps({"jobs": JOBS})),
        ("lines.jsonl", "\n".join(json.dumps(job) for job in JOBS) + "\n\n"),
        ("marked.json", "\ufeff" + json.dumps(JOBS)),
        ("jobs.toml", '[[jobs]]\nname = "a"\ncommand = ["true"]\n[[jobs]]\nname = "b"\ncommand = ["false"]\n'),
    ],
)
def test_a_file_of_jobs_is_submitted_at_once(trainyard, accepting, name, text):
    outcome = trainyard("batch", written(name, text))

    assert (outcome.code, outcome.out) == (0, "job 7 a\njob 8 b\n")
    assert [asked.body["jobs"] for asked in accepting.asked] == [JOBS]


def test_jobs_are_read_from_standard_input(trainyard, accepting, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(JOBS).encode())))

    trainyard("batch", "-")

    assert accepting.asked[0].body["jobs"] == JOBS


def test_defaults_of_the_file_go_before_ours(trainyard, accepting):
    file = written("jobs.json", json.dumps({"defaults": {"project": "vision", "priority": 90}, "jobs": JOBS}))

    trainyard("batch", file, "--project", "other")

    assert accepting.asked[0].body["defaults"] == {"project": "vision", "priority": 90, "working_dir": str(Path.cwd())}


def test_a_moment_in_toml_is_sent_as_text(trainyard, accepting):
    trainyard("batch", written("jobs.toml", '[[jobs]]\ncommand = ["true"]\ndeadline = 2030-05-01T18:00:00Z\n'))

    assert accepting.asked[0].body["jobs"][0]["deadline"] == "2030-05-01T18:00:00+00:00"


def test_a_refusal_names_the_job_as_its_author_does(trainyard, connected):
    fields = (("jobs[1].resources.gpus", "At most 8."), ("jobs[0]", "Twice."), ("jobs", "At most 10000."))
    connected.refuses("POST", "jobs/batch", 400, "Invalid.", *fields)

    outcome = trainyard("batch", written("jobs.json", json.dumps(JOBS)))

    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        'error: job 2 "b": resources.gpus: At most 8.',
        'error: job 1 "a": Twice.',
        "error: jobs: At most 10000.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is neither JSON"),
        ("{", "is neither JSON"),
        ('{"command": ["true"]}\n{oops}\n', "line 2"),
        ('"jobs"', "holds no jobs"),
        ('{"jobs": {}}', "holds no jobs"),
        ('{"jobs": [], "queue": "live"}', "there is no queue here"),
        ('{"jobs": [], "defaults": []}', "defaults must be an object"),
    ],
)
def test_a_file_that_holds_no_jobs_is_a_usage_error(trainyard, connected, text, message):
    outcome = trainyard("batch", written("jobs.json", text))

    assert outcome.code == 2
    assert message in outcome.err
    assert connected.asked == []


def test_a_file_that_is_not_there_is_a_usage_error(trainyard, connected):
    outcome = trainyard("batch", "missing.json")

    assert (outcome.code, outcome.err) == (2, "error: cannot read missing.json: No such file or directory.\n")


def test_a_binary_file_is_a_usage_error(trainyard, connected):
    Path("jobs.json").write_bytes(b"\xff\xfe\x00")

    assert "is not UTF-8 text" in trainyard("batch", "jobs.json").err
