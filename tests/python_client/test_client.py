"""The client against a server that answers as it is told: what it asks, what it makes of refusals, what a notebook shows."""

import io
import json
import socket
import subprocess
import sys

import pytest

import trainyard
from tests.acceptance.platform import ROOT
from tests.cli.yard import Answer
from tests.python_client.rows import job, outputs
from trainyard import Client
from trainyard.client import waiting
from trainyard.errors import (
    ConflictError,
    ForbiddenError,
    FunctionError,
    NotFoundError,
    OutOfReachError,
    RefusedError,
    ResultError,
    TrainyardError,
    UnauthorizedError,
    UnsuccessfulError,
    UsageError,
    WaitTimeoutError,
)


def test_it_is_loaded_when_it_is_asked_for_alone():
    script = "import sys, trainyard; print('httpx' in sys.modules); trainyard.Client; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = trainyard.Clint


def test_without_what_it_needs_it_says_what_to_install():
    script = "import trainyard\ntry: trainyard.Client\nexcept ImportError as error: print(error)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith(": pip install trainyard-cli\n")


def test_it_speaks_to_whom_the_command_line_does(yard, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="no server is known here"):
        Client()
    config = tmp_path / "home" / ".config" / "trainyard"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(f'url = "{yard.url}"\ntoken = "of-the-login"\n')
    yard.answers("GET", "jobs/7", job())
    Client().job(7)
    monkeypatch.setenv("TRAINYARD_TOKEN", "of-the-environment")
    Client().job(7)
    Client(token="mine").job(7)
    said = [asked.headers["Authorization"].removeprefix("Bearer ") for asked in yard.asked]
    assert said == ["of-the-login", "of-the-environment", "mine"]
    assert (Client().project, Client(project="p").project) == ("default", "p")
    with pytest.raises(UsageError, match="token holds no token"):
        Client(token="two words\nand a line")


def test_what_is_said_of_a_job_is_what_is_asked_for(client, yard):
    yard.answers("POST", "jobs", job(), status=201)
    client.submit(
        "python train.py --lr 0.1", gpus=2, gpu_model="h100", node_labels={"zone": "a"}, time="1h30m", grace=30,
        env={"A": "b"}, retries=2, after=[client_job(client, yard), 9], key="k", more={"secrets": ["wandb"]},
    )  # fmt: skip
    body = yard.asked[-1].body
    assert body.pop("working_dir")
    assert body == {
        "project": "vision", "name": "train", "command": ["python", "train.py", "--lr", "0.1"],
        "resources": {"gpus": 2, "gpu_model": "h100", "node_labels": {"zone": "a"}}, "max_runtime_seconds": 5400,
        "grace_seconds": 30, "env": {"A": "b"}, "max_retries": 2, "depends_on": [7, 9], "submission_key": "k",
        "secrets": ["wandb"],
    }  # fmt: skip


def client_job(client, yard):
    yard.answers("GET", "jobs/7", job())
    return client.job(7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "soon"}, "time: 'soon' is not a length of time"),
        ({"grace": object()}, "grace: "),
        ({"deadline": "yesterday"}, "deadline: 'yesterday' is not a moment"),
        ({"colour": "red"}, "colour: there is no such option. There are: name, "),
    ],
)
def test_an_option_that_cannot_be_understood_is_named(client, yard, options, words):
    with pytest.raises(UsageError) as told:
        client.submit(["true"], **options)
    assert str(told.value).startswith(words)
    assert not yard.asked


def test_a_job_that_perhaps_came_is_sent_again_under_the_same_key(client, yard):
    yard.says("POST", "jobs", Answer(headers={"Content-Length": "100"}, pieces=[b"{"]))  # and then nothing
    yard.answers("POST", "jobs", job(), status=201)
    assert client.submit(["true"]).id == 7
    keys = [asked.body["submission_key"] for asked in yard.asked]
    assert len(keys) == 2
    assert keys[0] == keys[1] != ""


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RefusedError), (401, UnauthorizedError), (403, ForbiddenError), (404, NotFoundError), (409, ConflictError), (503, OutOfReachError)],
)  # fmt: skip
def test_a_refusal_is_of_its_kind(client, yard, status, kind):
    yard.refuses("GET", "jobs/7", status, "No.")
    with pytest.raises(kind, match="No") as told:
        client.job(7)
    assert type(told.value) is kind


def test_a_refusal_names_its_field(client, yard):
    yard.refuses("POST", "jobs", 400, "", ("body", "Whole."), ("resources.gpus", "Too many."))
    with pytest.raises(RefusedError) as told:
        client.submit(["true"])
    assert (told.value.field, str(told.value)) == ("resources.gpus", "Whole.\nresources.gpus: Too many.")


def test_a_server_that_is_not_there_is_one_sentence():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(url, "secret") as nowhere, pytest.raises(OutOfReachError) as told:
        nowhere.jobs()
    assert str(told.value).startswith(f"no answer from {url}")
    assert "\n" not in str(told.value)


def test_a_page_of_a_notebook_shows_names_as_text(client, yard):
    evil = "<script>alert(1)</script>"
    yard.answers(
        "GET", "jobs/7", job(name=evil, metrics={evil: 1.0}, state="failed", message=evil, end_reason="timeout")
    )
    yard.lists("jobs", job(name=evil, project='"><b>'))
    shown = client.job(7)._repr_html_() + client.jobs()._repr_html_()
    yard.answers("GET", "jobs/7/outputs", outputs(f"{evil}.txt"))
    shown += client.job(7).outputs()._repr_html_()
    yard.answers("GET", "jobs/7/explain", {"reasons": [{"sentence": evil}], "state": evil})
    shown += client.job(7).explain()._repr_html_()
    yard.lists("workloads", {"id": 1, "name": evil, "state": "running", "jobs": 2, "done": 1, "counts": {evil: 1}})
    shown += client.workload("w")._repr_html_()
    series = {
        "name": evil,
        "values": [1.0],
        "steps": [1],
        "times": [0.0],
        "last": 1.0,
        "minimum": 1.0,
        "maximum": 1.0,
        "count": 1,
    }
    yard.answers("GET", "jobs/7/metrics", {"series": [series], "refused": 0})
    shown += client.job(7).metrics()._repr_html_()
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8
    assert "<script" not in shown
    assert '"><b>' not in shown
    assert shown.count("<table>") == shown.count("</table>") == 6


def test_waiting_goes_through_a_restart_and_says_how_far_it_is(client, yard, monkeypatch, capsys):
    monkeypatch.setattr("trainyard.http.patience.PAUSE_SECONDS", 0.01)
    yard.answers("GET", "jobs/7", job(state="pending", reasons=[{"sentence": "No GPU is free."}]), job())
    yard.refuses("GET", "jobs/7", 503, "Restarting.")
    yard.answers("GET", "jobs/7", job(state="completed"))
    assert client.job(7).wait(10, progress=True).state == "completed"
    assert capsys.readouterr().err.splitlines() == ["job 7 running on n1", "job 7 completed"]


def test_waiting_ends_with_its_time(client, yard, capsys):
    yard.answers("GET", "jobs/7", job())
    with pytest.raises(WaitTimeoutError, match="still job 7 running on n1"):
        client.job(7).wait(0.05)
    assert capsys.readouterr().err == ""


def test_at_a_terminal_a_bar_is_drawn(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    answers = iter([job(name="[red]"), job(state="completed", progress=1.0)])
    standing = lambda row: waiting.Standing(f"[bold]{row['state']}", row["progress"])  # noqa: E731
    waiting.wait(lambda: next(answers), lambda row: row["state"] == "completed", standing)
    assert "[bold]completed" in screen.getvalue()


def test_a_file_that_was_cut_off_is_read_on_from_where_it_stopped(client, yard, monkeypatch, tmp_path):
    monkeypatch.setattr("trainyard.outputs.download.AGAIN_SECONDS", 0.01)
    yard.answers("GET", "jobs/7", job(state="completed"))
    yard.answers("GET", "jobs/7/outputs", outputs("a/one.txt", holds=b"abcdef", next=5), outputs("two.txt", holds=b"2"))
    yard.says("GET", "jobs/7/outputs/a/one.txt", Answer(headers={"Content-Length": "6"}, pieces=[b"abc"]))
    yard.says("GET", "jobs/7/outputs/a/one.txt", Answer(status=206, body=b"def"))
    yard.says("GET", "jobs/7/outputs/two.txt", Answer(body=b"2"))
    found = client.job(7).outputs()
    assert list(found) == ["a/one.txt", "two.txt"]
    places = found.download(tmp_path / "here")
    assert [place.read_bytes() for place in places] == [b"abcdef", b"2"]
    asked = [asked.headers for asked in yard.asked if asked.path.endswith("one.txt")]
    assert [headers.get("Range") for headers in asked] == [None, "bytes=3-"]
    assert [headers.get("If-Range") for headers in asked] == [None, f'"{found["a/one.txt"].sha256}"']
    assert sorted(one.name for one in (tmp_path / "here").rglob("*")) == ["a", "one.txt", "two.txt"]


def test_a_file_that_comes_whole_after_a_cut_is_not_read_twice(client, yard, monkeypatch):
    monkeypatch.setattr("trainyard.http.patience.PAUSE_SECONDS", 0.01)
    yard.answers("GET", "jobs/7", job())
    yard.answers("GET", "jobs/7/outputs", outputs("one.txt"))
    yard.says("GET", "jobs/7/outputs/one.txt", Answer(headers={"Content-Length": "6"}, pieces=[b"abc"]))
    yard.says("GET", "jobs/7/outputs/one.txt", Answer(body=b"abcdef"))
    assert client.job(7).outputs().read("one.txt") == b"abcdef"


def test_a_path_that_leads_out_is_not_written(client, yard, tmp_path):
    yard.answers("GET", "jobs/7", job())
    yard.answers("GET", "jobs/7/outputs", outputs("../evil"))
    with pytest.raises(TrainyardError, match="no name of a file below a folder"):
        client.job(7).outputs().download(tmp_path / "here")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [("lost", "its node went"), ("forgotten", "kept no longer"), ("none", "only jobs of submit_function")],
)
def test_a_result_that_is_not_there_says_why(client, yard, state, words):
    yard.answers("GET", "jobs/7", job(state="completed"))
    yard.answers("GET", "whoami", {"user": "ada"})
    yard.answers("GET", "jobs/7/outputs", outputs(state="coming"), outputs(state=state))
    with pytest.raises(ResultError, match=words):
        client.job(7).result(10)


def test_a_function_that_raised_is_told_with_its_traceback(client, yard):
    yard.answers("GET", "jobs/7", job(state="failed", exit_code=1, end_reason="exit_code"))
    yard.answers("GET", "whoami", {"user": "ada"})
    yard.answers("GET", "jobs/7/outputs", outputs("call/failure.json"))
    failure = {"type": "ValueError", "message": "no", "traceback": "Traceback:\n  line\nValueError: no\n"}
    yard.says("GET", "jobs/7/outputs/call/failure.json", Answer(body=json.dumps(failure).encode()))
    with pytest.raises(FunctionError, match="ValueError: no") as told:
        client.job(7).result(10)
    assert told.value.traceback == failure["traceback"]


def test_a_job_that_failed_otherwise_is_told_with_the_end_of_its_log(client, yard):
    yard.answers("GET", "jobs/7", job(state="failed", exit_code=137, end_reason="out_of_memory"))
    yard.answers("GET", "jobs/7/logs", {"offset": 0})
    yard.says("GET", "jobs/7/logs", Answer(body=b"one\ntwo\n"))
    with pytest.raises(UnsuccessfulError) as told:
        client.job(7).wait().raise_for_failure()
    assert str(told.value).splitlines() == ["job 7 failed: out of memory (exit code 137 (SIGKILL))", "one", "two"]
