"""The platform's own processes, started for one test against real servers, so that the test may kill them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
from django.db import connection

from executors import agent_rights
from jobs.logs.reader import pieces
from jobs.models import Job
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from quotas.models import Project
from scheduling.lifecycle import TERMINAL_STATES
from tests import builders
from tests.acceptance.fork_server import Fork, Forks, can_begin_with
from tests.waiting import wait_for
from workers.models import Node

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "TRAINYARD_HEARTBEAT_SECONDS": "0.5",
    "TRAINYARD_LEASE_SECONDS": "4",
    "TRAINYARD_LEASE_MARGIN_SECONDS": "1",
    "TRAINYARD_RECOVERY_SECONDS": "1",
    "TRAINYARD_REPUBLISH_SECONDS": "1",
    "TRAINYARD_CYCLE_SECONDS": "1",
    "TRAINYARD_KILL_GRACE_SECONDS": "2",
    "TRAINYARD_DRAIN_SECONDS": "2",
    "TRAINYARD_BROKER_TIMEOUT": "2",
}
"""The same platform with short leases, so that a test need not wait half a minute."""
FORKS = Forks()


class Platform:
    """A control worker, beat and node agents on the test's database and broker."""

    forks = "coverage" not in sys.modules
    """Whether its processes are forked. Executed ones are what /proc shows of a platform, and are counted by coverage."""

    def __init__(self, home: Path, broker_url: str, database_url: str = "") -> None:
        self.home = home
        self.broker_url = broker_url
        self.source = ROOT  # of what is started from now on
        self.environment = {
            **os.environ,
            **QUICK,
            "DJANGO_SETTINGS_MODULE": "scheduler_site.settings",
            "DATABASE_URL": database_url or database_address(),
            "BROKER_URL": broker_url,
            "TRAINYARD_HOME": str(home),
        }
        self.processes: dict[str, subprocess.Popen[bytes] | Fork] = {}
        self.around_agents: list[str] = []
        """Words before the command of an agent that starts from now on."""
        self._agent_roles: dict[tuple[str, ...], str] = {}
        self.role_for_each_node = False
        """Whether agents connect as their nodes' own roles, and not all as one."""

    def start(self, *nodes: str, beat: bool = False, **options: Any) -> None:
        """A control worker, and an agent for each name; returns once all nodes are up.

        Beat only where something is lost on purpose: nothing else may need its sweeps.
        """
        self.start_control()
        if beat:
            self.start_beat()
        for name in nodes:
            self.start_node(name, wait=False, **options)
        for name in nodes:
            self.wait_for_node(name)

    def start_control(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "scheduler_site"]
        self._start("control", [*celery, "worker", "-Q", "control", "-P", "threads", "-c", "4", "-n", "control@test",
                                "--without-gossip", "--without-mingle"])  # fmt: skip

    def start_beat(self, name: str = "beat") -> None:
        self._start(name, [sys.executable, "-m", "celery", "-A", "scheduler_site", "beat", "--max-interval", "1"])

    def start_node(
        self, name: str, *, wait: bool = True, cpus: int = 2, gpus: int = 0, process: str = "", **extra: str
    ) -> None:
        """An agent, in a process of that name; named like its node unless said otherwise."""
        command = [
            *self.around_agents,
            sys.executable,
            "manage.py",
            "node",
            "--name",
            name,
            "--cpus",
            str(cpus),
            "--gpus",
            str(gpus),
        ]
        if "DATABASE_URL" not in extra:
            extra["DATABASE_URL"] = self.agent_url(*([name] if self.role_for_each_node else []))
        self._start(process or name, command, TRAINYARD_ROLE="node", **extra)
        if wait:
            self.wait_for_node(name)

    def agent_url(self, *nodes: str) -> str:
        """As agents connect: with a role of their own, so that whatever they lack is found here; that of these nodes, if any."""
        if nodes not in self._agent_roles:
            role = self._agent_roles[nodes] = f"agent_{uuid.uuid4().hex[:12]}"
            agent_rights.grant(role, password="secret", nodes=nodes)
        parts = urlsplit(self.environment["DATABASE_URL"])
        return parts._replace(netloc=f"{self._agent_roles[nodes]}:secret@{parts.hostname}:{parts.port}").geturl()

    def wait_for_node(self, name: str) -> None:
        up = Node.objects.filter(name=name, state="up", agent_id__isnull=False)
        wait_for(up.exists, 60, lambda: f"node {name}; {self.log(name)}")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the signal to one process; after SIGKILL it is gone when this returns."""
        self.processes[name].send_signal(number)
        if number == signal.SIGKILL:
            self.processes.pop(name).wait(10)

    def stop(self, name: str, timeout: float = 20) -> int:
        """SIGTERM, and wait: the exit code."""
        self.kill(name, signal.SIGTERM)
        return self.processes.pop(name).wait(timeout)

    def close(self) -> None:
        """Take everything away, jobs included."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(10)
        for left in self.jobs():
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()

    def jobs(self) -> list[psutil.Process]:
        """Every process on this machine that belongs to a job of this platform, shims included."""
        mine = f"{self.home}/nodes/"
        return [process for process in psutil.process_iter() if mine in _words(process)]

    def shims(self) -> list[psutil.Process]:
        """The shims of the jobs that run, by what they wrote down themselves."""
        files = self.home.glob("nodes/*/attempts/*/status.json")
        pids = [json.loads(file.read_text())["shim_pid"] for file in files]
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")[-3000:]

    def _start(self, name: str, command: list[str], **extra: str) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        env = {**self.environment, **extra}
        with (self.home / f"{name}.log").open("ab") as log:
            if self.forks and command[0] == sys.executable and can_begin_with(env):
                self.processes[name] = FORKS.start(command[1:], self.source, env, log.fileno())
            else:
                self.processes[name] = subprocess.Popen(
                    command, cwd=self.source, env=env, stdout=log, stderr=log, start_new_session=True
                )


def database_address() -> str:
    """The test's database as a URL, for processes of their own."""
    of = connection.settings_dict
    password = f":{quote(of['PASSWORD'])}" if of["PASSWORD"] else ""
    return f"postgresql://{of['USER']}{password}@{of['HOST']}:{of['PORT']}/{of['NAME']}"


def submitted(*commands: list[str] | str, **fields: Any) -> list[Job]:
    """Jobs of a fresh project with these commands; a text is a shell script."""
    project, _ = Project.objects.get_or_create(slug="acceptance")
    owner = builders.member(project=project)
    specs = [
        JobSpec(
            name=fields.get("name", "job"),
            project=project.slug,
            command=("sh", "-c", command) if isinstance(command, str) else tuple(command),
            **{key: value for key, value in fields.items() if key != "name"},
        )
        for command in commands
    ]
    return [answer.job for answer in submit(specs=specs, owner=owner)]


def state_of(job: Job) -> str:
    return str(Job.objects.values_list("state", flat=True).get(pk=job.pk))


def wait_for_state(job: Job, *states: str, timeout: float = 30, platform: Platform | None = None) -> Job:
    """The job, once it is in one of these states; says what it is instead when it never is."""

    def reached() -> bool:
        now = state_of(job)
        assert now in states or now not in TERMINAL_STATES, f"job ended as {now}: {history(job)}"
        return now in states

    logs = "" if platform is None else "\n".join(platform.log(name) for name in platform.processes)
    wait_for(reached, timeout, f"job {job.pk} to be {' or '.join(states)}: {history(job)} {logs}")
    return Job.objects.get(pk=job.pk)


def history(job: Job) -> list[str]:
    """The states a job went through, in order."""
    return list(job.events.exclude(to_state="").values_list("to_state", flat=True))


def output(job: Job) -> str:
    """What all attempts printed, wherever it lies by now."""
    ranks = range(job.nodes)
    read = [piece for attempt in job.attempts.all() for rank in ranks for piece in pieces(attempt, 0, rank=rank)]
    return b"".join(read).decode(errors="replace")


def words_of(process: psutil.Process) -> list[str]:
    """Its command; nothing of one that is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _words(process: psutil.Process) -> str:
    try:
        return " ".join([*process.cmdline(), *process.environ().values()])
    except psutil.Error:
        return ""
