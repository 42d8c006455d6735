"""The platform under test: a private one, started for the run as `manage.py up` starts it, or one that runs already."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from local_stack.servers import ports

CHECKOUT = Path(__file__).resolve().parent.parent
NODE = "bench"
SERVICES = ("postgres", "valkey", "web", "control", "beat", "flower")
START_SECONDS = 120
STOP_SECONDS = 30


@dataclass(frozen=True)
class Stack:
    """A running platform, found by its TRAINYARD_HOME."""

    home: Path

    @cached_property
    def credentials(self) -> dict[str, str]:
        known: dict[str, str] = json.loads((self.home / "credentials.json").read_text(encoding="utf-8"))
        return known

    @cached_property
    def environment(self) -> dict[str, str]:
        """DATABASE_URL, BROKER_URL and the rest, as the stack's own processes have them."""
        lines = (self.home / "env").read_text(encoding="utf-8").splitlines()
        pairs = (shlex.split(line)[0].partition("=") for line in lines if line and not line.startswith("#"))
        return {name: value for name, _, value in pairs}

    @property
    def web(self) -> tuple[str, int]:
        """Host and port of the site."""
        address = urlsplit(self.credentials["url"])
        return address.hostname or ports.LOOPBACK, address.port or 80

    @property
    def processes(self) -> dict[str, psutil.Process]:
        """The first process of each role by its name; agents go by the names of their nodes."""
        recorded = json.loads((self.home / "processes.json").read_text(encoding="utf-8"))
        return {one["name"]: psutil.Process(one["pid"]) for one in recorded}

    @property
    def agents(self) -> dict[str, psutil.Process]:
        return {name: process for name, process in self.processes.items() if name not in SERVICES}

    def database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self.environment["DATABASE_URL"], autocommit=True)


@contextmanager
def private(*, cpus: int, nodes: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A stack of its own in a temporary folder, on free ports, with the settings of production but for these; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="trainyard-bench-"))
    names = [NODE] if nodes == 1 else [f"{NODE}-{number}" for number in range(1, nodes + 1)]
    agents = [word for name in names for word in ("--node", f"{name}:cpus={cpus}")]
    with (home / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--unlisted", *agents],
            cwd=CHECKOUT,
            env={**_environment(home), **(settings or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(home, process, nodes)
            yield Stack(home)
        finally:
            stop(process)
            shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    """This process's own, without what would make the stack use other servers or other settings than the defaults."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRAINYARD_", "DATABASE_", "BROKER_", "DJANGO_"))
    }
    chosen = {"TRAINYARD_PORT": str(ports.pick_free()), "FLOWER_PORT": str(ports.pick_free())}
    chosen["TRAINYARD_LOG_FOLLOWERS_PER_USER"] = "28"  # one user follows for all that a measurement needs
    return {**inherited, **chosen, "TRAINYARD_HOME": str(home)}


def _wait_until_up(home: Path, process: "subprocess.Popen[bytes]", nodes: int) -> None:
    def is_up() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"The stack did not start:\n{(home / 'output').read_text(errors='replace')}")
        return (home / "credentials.json").exists() and _takes_jobs(Stack(home), nodes)

    wait_until(is_up, START_SECONDS, "the stack to be up")


def _takes_jobs(stack: Stack, nodes: int) -> bool:
    if not ports.answers(stack.web[1]):
        return False
    with stack.database() as database:
        up = database.execute("SELECT count(*) FROM workers_node WHERE state = 'up'").fetchone()
        return up is not None and up[0] >= nodes


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(holds: Callable[[], bool], seconds: float, what: str, *, pause: float = 0.1) -> None:
    """Return once `holds` does; TimeoutError naming `what` when it never does."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(pause)
