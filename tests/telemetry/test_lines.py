"""What a line says, as text and as JSON: about whom, and no secret."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.lines import JsonLines, TextLines
from telemetry.redaction import Redaction
from telemetry.subject import about

ROOT = Path(__file__).resolve().parents[2]


def line(formatter: logging.Formatter, words: str, *args: object, error: BaseException | None = None, **extra: object):
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.Logger("jobs.test").makeRecord(  # noqa: LOG001  nobody else's
        "jobs.test", logging.WARNING, "here.py", 1, words, args, trace, extra=extra
    )
    return formatter.format(record)


def raised(words: str) -> ValueError:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  any will do
        raise ValueError(words)
    return caught.value


def as_json(words: str, *args: object, secrets: tuple[str, ...] = (), **extra):
    text = line(JsonLines(process="web", redaction=Redaction(secrets)), words, *args, **extra)
    assert "\n" not in text
    return json.loads(text)


def test_text_looks_as_ever_with_the_ids_at_the_end_of_its_first_line():
    with about(job=1, node="gpu-3"):
        text = line(TextLines(), "Job %d waits.", 7, job=7, attempt=2, error=raised("broken"))
    first, *others = text.splitlines()
    assert first.endswith("WARNING jobs.test: Job 7 waits. job=7 attempt=2 node=gpu-3")
    assert others[-1] == "ValueError: broken"


def test_an_object_says_who_wrote_when_how_urgent_and_what_about():
    with about(job=7, attempt=2, request_id="abc"):
        event = as_json("Job %d waits.", 7)
    known = {name: event[name] for name in ("level", "logger", "message", "process", "job", "attempt", "request_id")}
    assert known == {
        "level": "WARNING", "logger": "jobs.test", "message": "Job 7 waits.", "process": "web", "job": 7, "attempt": 2,
        "request_id": "abc",
    }  # fmt: skip
    assert event["time"].endswith("Z")
    assert "node" not in event


def test_an_exception_stands_in_its_event():
    event = as_json("It failed.", error=raised("two\nlines"))
    assert (event["exception"]["type"], event["exception"]["message"]) == ("ValueError", "two\nlines")
    assert "test_lines.py" in event["exception"]["stack"]


def test_what_a_line_is_about_ends_with_the_work_and_is_each_threads_own():
    with about(job=1):
        with about(attempt=3, node=""):
            assert {"job", "attempt"} == set(as_json("x")) & {"job", "attempt", "node"}
        assert "attempt" not in as_json("x")
    assert "job" not in as_json("x")


def test_what_libraries_put_beside_a_record_is_not_told():
    event = as_json("Task failed.", data={"args": "[7, 'fencing-token']"}, environ={"SECRET": "x"})
    assert "fencing-token" not in json.dumps(event)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("redis://:hunter2@db:6379/0 is away", "redis://:***@db:6379/0 is away"),
        ("postgresql://me:p%40ss@db/yard", "postgresql://me:***@db/yard"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("env {'WANDB_API_KEY': 'abc', 'LR': '0.1'}", "env {'WANDB_API_KEY': '***', 'LR': '0.1'}"),
        ("GET /x?token=abc&state=failed", "GET /x?token=***&state=failed"),
        ('DETAIL:  Failing row contains (7, train,\n {"A": "b"}).', "DETAIL:  Failing row contains (***)."),
        ("Job 7 waits for 2 GPUs: 1 of 8 is free", "Job 7 waits for 2 GPUs: 1 of 8 is free"),
        ("Token 3 of the vocabulary is unknown", "Token 3 of the vocabulary is unknown"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_not_told(said: str, told: str):
    assert Redaction().clean(said) == told


def test_known_secrets_are_taken_out_wherever_they_stand():
    secrets = ("s3cr3t-key", "amqp://me:pa%2Fss%26word@broker//", "ab")
    clean = Redaction(secrets).clean
    assert clean("it said s3cr3t-key, and pa/ss&word, or pa%2Fss%26word") == "it said ***, and ***, or ***"
    assert clean("about a broker") == "about a broker"
    assert "s3cr3t" not in json.dumps(as_json("x", secrets=secrets, error=raised("it is s3cr3t-key")))


PROGRAM = """
import logging, threading, warnings
from telemetry import lines
handler = logging.StreamHandler()
handler.setFormatter(lines.JsonLines(process="test"))
logging.basicConfig(handlers=[handler])
lines.catch_the_rest()
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
raise SystemError("the end")
"""


def test_what_nobody_catches_is_a_line_as_well():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    events = [json.loads(text) for text in done.stderr.splitlines()]
    assert [event.get("exception", {}).get("type") for event in events] == [None, "ZeroDivisionError", "SystemError"]
    assert (done.returncode, "old" in events[0]["message"]) == (1, True)
