"""Trainyard's own processes, as the local stack runs them."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from local_stack.servers import parent_death
from local_stack.servers.errors import StackError
from local_stack.servers.ports import LOOPBACK
from local_stack.servers.processes import Role

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Celery warns root about pickled messages, which Trainyard does not accept.
QUIET = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
# Jobs find the Python, and the packages, that this stack runs with: the machine need not have another one.
OWN_PYTHON = {"PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))}
WEB_WORKER = "scheduler_site.patient_worker.PatientWorker"
WEB_LOGS = "scheduler_site.web_logs.WebLogs"
NODE_OPTIONS = ("cpus", "memory-gb", "gpus", "gpu-model", "gpu-memory-gb")


@dataclass(frozen=True)
class NodeSpec:
    """One agent: `cpu-1` or `gpu-1:cpus=2,gpus=2`."""

    name: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "NodeSpec":
        """Raises StackError saying what is wrong with `text`."""
        name, _, rest = text.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}", name):
            raise StackError(f"--node {text!r}: {name!r} is no name for a node (letters, digits and dashes).")
        return cls(name, tuple(cls._option(text, pair) for pair in rest.split(",") if pair))

    @staticmethod
    def _option(text: str, pair: str) -> tuple[str, str]:
        key, _, value = pair.partition("=")
        if key not in NODE_OPTIONS or not value:
            raise StackError(
                f"--node {text!r}: {pair!r} should be one of {', '.join(NODE_OPTIONS)}, then = and a value."
            )
        return key, value

    @property
    def arguments(self) -> list[str]:
        name = ["--name", self.name] if self.name else []
        return [*name, *(word for key, value in self.options for word in (f"--{key}", value))]


def web(port: int) -> Role:
    server = ("gunicorn", "scheduler_site.wsgi", "--bind", f"{LOOPBACK}:{port}", "--preload", "--no-control-socket")
    pool = ("--worker-class", WEB_WORKER, "--workers", "2", "--threads", "40", "--graceful-timeout", "3")
    bounds = ("--worker-connections", "2000", "--limit-request-line", "8190", "--keep-alive", "5")
    return _python("web", "-m", *server, *pool, *bounds, "--log-level", "warning", "--logger-class", WEB_LOGS)


def beat(environment: Mapping[str, str] | None = None) -> Role:
    return _celery("beat", "beat", "--loglevel", "WARNING", environment=environment)


def control() -> Role:
    worker = ("worker", "-Q", "control", "-P", "threads", "-c", "4", "-n", "control@%h")
    return _celery("control", *worker, "--without-gossip", "--without-mingle", "--loglevel", "WARNING")


def flower(port: int, login: str) -> Role:
    # Everybody can read a command line, hence the login by the environment. It is the Flower of `flower_view`.
    options = ("flower", f"--address={LOOPBACK}", f"--port={port}", "--loglevel=WARNING")
    return _celery("flower", *options, environment={"FLOWER_BASIC_AUTH": login})


def agent(node: NodeSpec, environment: Mapping[str, str]) -> Role:
    return _python(
        node.name or "node",
        "manage.py",
        "node",
        *node.arguments,
        environment={**OWN_PYTHON, **job_folders(), **environment},
    )


def pool(name: str, environment: Mapping[str, str], *, cpus: int, memory_gb: float) -> Role:
    """No agents yet: an autoscaler asks for them. Small ones may be more than the machine has, to try things out."""
    shape = ("--cpus", str(cpus), "--memory-gb", f"{memory_gb:g}", "--oversubscribe", "--label", f"pool={name}")
    start = ("manage.py", "pool", "start", "--name", name, "--agents", "0", *shape)
    return _python("pool", *start, environment={**OWN_PYTHON, **job_folders(), **environment})


def autoscaler() -> Role:
    return _python("autoscaler", "manage.py", "autoscaler", "--every", "1")


def job_folders() -> dict[str, str]:
    """Jobs may go where the stack was started, though a folder above may be closed to their users: there lies its owner's work."""
    known, here = settings.JOB_FOLDERS, str(Path.cwd())
    if "," in here or here in ("/", "/tmp", "/var/tmp"):  # noqa: S108  theirs is their own
        return {}
    return {"TRAINYARD_JOB_FOLDERS": ",".join([*known, here])}


def _celery(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Role:
    return _python(name, "-m", "celery", "-A", "scheduler_site", "--quiet", *arguments, environment=environment)


def _python(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Role:
    # Killed with the supervisor: a warm shutdown would wait for a database and a broker that are going as well.
    command = (*parent_death.signalled_with("KILL"), sys.executable, *arguments)
    return Role(name, command, {**QUIET, **(environment or {})}, folder=CHECKOUT)
