"""The local stack as a child of the demonstration, on ports of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local_stack.demo.rest import DemoRest
from local_stack.demo.sweep import NODES
from local_stack.servers import parent_death, web
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home
from local_stack.servers.ports import pick_free
from local_stack.servers.roles import CHECKOUT

START_SECONDS = 90
STOP_SECONDS = 15


@contextmanager
def private_stack(home: Home, log: Path, nodes: Sequence[str] = NODES, *, autoscale: int = 1) -> Iterator[DemoRest]:
    """A stack that answers and whose nodes are up; stopped at the end, whatever happens."""
    port = pick_free()
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(nodes, autoscale), stdout=output, stderr=output, env=_environment(home, port)
        )
        try:
            _until_web_answers(process, port, log)
            rest = DemoRest(port, json.loads(home.credentials.read_text(encoding="utf-8"))["token"])
            _until_nodes_are_up(process, rest, log, nodes)
            yield rest
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # takes its processes along


def _command(nodes: Sequence[str], autoscale: int) -> list[str]:
    agents = [word for node in nodes for word in ("--node", node)]
    bound = parent_death.signalled_with("TERM")  # the stack ends with the demonstration, even when that is killed
    return [
        *bound,
        sys.executable,
        str(CHECKOUT / "manage.py"),
        "up",
        "--unlisted",
        *agents,
        "--autoscale",
        str(autoscale),
    ]


def _environment(home: Home, port: int) -> dict[str, str]:
    ours = {"TRAINYARD_HOME": home.folder, "TRAINYARD_PORT": port, "FLOWER_PORT": pick_free()}
    ours["TRAINYARD_CODE_URL"] = ""  # code and outputs travel by this stack's port, wherever another one's do
    return {**os.environ, **{name: str(value) for name, value in ours.items()}}


def _until_web_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in _patiently(process, log, "the site"):
        if web.answers(port):
            return


def _until_nodes_are_up(process: subprocess.Popen[bytes], rest: DemoRest, log: Path, nodes: Sequence[str]) -> None:
    wanted = {node.partition(":")[0] for node in nodes}
    for _ in _patiently(process, log, "the nodes"):
        if wanted <= {node["name"] for node in rest.nodes() if node["state"] == "up"}:
            return


def _patiently(process: subprocess.Popen[bytes], log: Path, what: str) -> Iterator[None]:
    """Comes back every now and then; StackError when the stack ended or takes too long."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise StackError(f"The stack ended while it started: {''.join(last)} (all of it: {log})")
        yield
        time.sleep(0.1)
    raise StackError(f"The stack did not start: {what} did not answer within {START_SECONDS} s; see {log}")
