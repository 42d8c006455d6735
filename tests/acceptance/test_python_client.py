"""Functions and commands that run as jobs on a node, from Python, to what comes of them."""

import contextlib
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from knox.models import AuthToken

from quotas.models import Project
from tests import builders
from tests.acceptance.platform import ROOT, Platform
from tests.waiting import wait_for
from trainyard import Client
from trainyard.errors import FunctionError, RefusedError, ResultError, UnsuccessfulError, UsageError, WaitTimeoutError
from workers.models import Node

MODULE = """
import os, sys, time
from pathlib import Path

from colours import Colour
from trainyard import report


class TooDark(Exception):
    pass


def paint(colour, *, layers=1):
    print("painting", colour.name, "in", os.getcwd())
    for layer in range(layers):
        report(step=layer + 1, thickness=layer / 2, progress=(layer + 1) / layers)
    return Colour(colour.name, layers)


def fail(colour):
    raise TooDark(f"{colour.name} is too dark")


def lock():
    import threading
    return threading.Lock()


def square(number, power=2):
    seen = Path(os.environ["TRAINYARD_CHECKPOINT_DIR"], "seen")
    first = not seen.exists()
    seen.touch()
    while number == 2 and first:
        time.sleep(0.05)
    return number ** power
"""
COLOURS = "from typing import NamedTuple\nclass Colour(NamedTuple):\n    name: str\n    layers: int = 0\n"
LONG = 90
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def site(platform: Platform, live_server, settings, tmp_path, monkeypatch):
    """A node, the site over HTTP, and a folder of a member's with two modules, from which Python imports."""
    settings.STORAGES = settings.STORAGES | {
        "code": {"BACKEND": settings.FILES, "OPTIONS": {"location": str(tmp_path / "code")}}
    }
    platform.environment["TRAINYARD_CODE_URL"] = live_server.url
    platform.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    project = Project.objects.filter(slug="acceptance").first() or builders.project(slug="acceptance")
    member = builders.member(project=project)
    token = AuthToken.objects.create(member)[1]
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "painting.py").write_text(MODULE)
    (folder / "colours.py").write_text(COLOURS)
    for name, value in (("URL", live_server.url), ("TOKEN", token), ("PROJECT", "acceptance")):
        monkeypatch.setenv(f"TRAINYARD_{name}", value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    platform.start_control()
    platform.start_node("n1", cpus=4, wait=False)
    wait_for(Node.objects.filter(name="n1", state="up", agent_id__isnull=False).exists, LONG, "node n1")
    names = ("painting", "colours")
    modules = [importlib.import_module(name) for name in names]
    with Client() as client:
        yield SimpleNamespace(client=client, painting=modules[0], folder=folder, platform=platform, member=member)
    for name in names:
        sys.modules.pop(name, None)


def test_commands_and_functions_run_on_a_node_to_their_results_and_failures(site):
    client, painting = site.client, site.painting
    red = painting.Colour("red")

    job = client.submit("sh script.sh 3", code=site.folder, name="said", cpus=1, time="5m", labels={"a": "b"})
    with pytest.raises(UnsuccessfulError, match=r"exit code \d+"):
        job.wait(LONG).raise_for_failure()
    (site.folder / "script.sh").write_text('for i in $(seq $1); do echo "line $i"; sleep 0.2; done\n')
    job = client.submit("sh script.sh 3", code=site.folder)
    assert list(job.logs(follow=True)) == ["line 1", "line 2", "line 3"]
    assert job.wait(LONG).state == "completed"
    assert (job.logs(), job.logs(tail=1)) == ("line 1\nline 2\nline 3\n", "line 3")

    painted = client.submit_function(painting.paint, red, arguments={"layers": 3}, cpus=1)
    assert painted.result(LONG) == painting.Colour("red", 3)
    assert type(painted.result()) is painting.Colour
    assert painted.metrics()["thickness"].values == [0, 0.5, 1]
    assert painted.logs().startswith("painting red in ")
    assert "call/result.pkl" in painted.outputs()
    assert client.job(painted.id).result() == painting.Colour("red", 3)

    number = 20
    by_value = client.submit_function(lambda more: number + more, 1, code=site.folder)
    assert by_value.result(LONG) == 21

    failed = client.submit_function(painting.fail, red)
    with pytest.raises(FunctionError) as told:
        failed.result(LONG)
    assert (told.value.type_name, "raise TooDark" in told.value.traceback) == ("painting.TooDark", True)
    assert "run.py" not in told.value.traceback
    assert "painting.TooDark: red is too dark" in failed.logs()

    kept = client.submit_function(painting.lock)
    with pytest.raises(FunctionError, match="the result of lock, a lock, cannot be pickled"):
        kept.result(LONG)

    missing = client.submit_function(painting.paint, red, code=site.folder, python="no-such-python")
    with pytest.raises(UnsuccessfulError, match="no-such-python"):
        missing.result(LONG)


def test_a_map_gives_results_in_order_and_says_which_call_was_killed(site):
    client, square = site.client, site.painting.square
    numbers = [0, 1, 2, 3]
    squares = client.map(square, numbers, [2] * 4, cpus=1, key="squares", code=site.folder)
    again = client.map(square, numbers, [2] * 4, cpus=1, key="squares", code=site.folder)
    assert (again.id, len(again.jobs)) == (squares.id, 4)

    third = squares.jobs[2]
    seen = site.platform.home / "jobs" / str(third.id) / "checkpoints" / "seen"
    wait_for(seen.exists, LONG, "the third to run")
    with pytest.raises(WaitTimeoutError):
        squares.wait(0.1)
    with pytest.raises(TimeoutError):
        third.result(0.1)
    [process] = [one for one in site.platform.jobs() if is_the_call(one, 2)]
    process.send_signal(signal.SIGKILL)

    told = squares.results(LONG, return_exceptions=True)
    assert [told[0], told[1], told[3]] == [0, 1, 9]
    assert isinstance(told[2], UnsuccessfulError)
    assert not isinstance(told[2], FunctionError)
    assert "SIGKILL" in str(told[2])
    with pytest.raises(UnsuccessfulError, match=f"job {third.id} failed"):
        squares.results(LONG)

    squares.retry_failed()
    # Whoever lost the process that submitted them finds them by their name.
    assert Client().workload(squares.name).results(LONG) == [0, 1, 4, 9]


def is_the_call(process, number):
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        return ".trainyard/run.py" in words and process.environ().get("TRAINYARD_ARRAY_INDEX") == str(number)
    return False


def test_another_user_s_result_is_read_if_it_is_trusted_alone(site, monkeypatch):
    job = site.client.submit_function(site.painting.paint, site.painting.Colour("red"))
    job.wait(LONG)
    other = AuthToken.objects.create(builders.member(project=Project.objects.get(slug="acceptance")))[1]
    seen = Client(token=other).job(job.id)
    with pytest.raises(ResultError, match="trusted=True"):
        seen.result(LONG)
    assert seen.result(LONG, trusted=True) == site.painting.Colour("red", 1)


def test_what_the_server_refuses_is_named_and_nothing_is_submitted(site):
    with pytest.raises(RefusedError) as told:
        site.client.submit(["true"], gpus=-1)
    assert told.value.field == "resources.gpus"
    with pytest.raises(UsageError, match="colour: this argument of paint cannot be pickled"):
        site.client.submit_function(site.painting.paint, threading.Lock())
    with pytest.raises(UsageError, match="number: this argument of call 1 of square cannot be pickled"):
        site.client.map(site.painting.square, [1, threading.Lock()])
    with pytest.raises(UsageError, match=r"gpu: there is no such option\. Did you mean gpus"):
        site.client.submit(["true"], gpu=1)
    assert not site.client.jobs()


def test_the_digits_are_trained_from_a_fresh_process_to_their_result(site):
    lines = """
import train
from trainyard import Client

options = train.options().parse_args(["--hidden", "16", "--epochs", "4"])
job = Client().submit_function(train.run, options, cpus=1)
print(job.result()["accuracy"], job.metrics()["loss"].count)
"""
    script = site.folder / "five_lines.py"
    script.write_text(lines)
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'examples/digits'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environ, timeout=LONG, check=False
    )
    assert done.returncode == 0, done.stderr
    accuracy, count = done.stdout.split()
    assert float(accuracy) > 0.8
    assert int(count) == 4


def test_the_examples_of_the_guide_run_as_they_stand(site):
    guide = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    assert len(examples) == 5
    shutil.copy(ROOT / "examples/digits/train.py", site.folder)
    script = site.folder / "guide.py"
    script.write_text("\n".join(examples))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environ, timeout=2 * LONG, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout
    for words in ("completed [", "held-out accuracy 0.", "AttributeError Traceback", "resources.gpus resources.gpus: "):
        assert words in told
