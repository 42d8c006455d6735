"""The platform under the drill: its servers, its parts and at least one agent, each in a process of its own.

Each agent reaches database and broker through proxies of its own, and keeps its node's files in a folder of its own, on
a small disk of its own where this process may mount one.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import redis

from chaos import brokers, disks
from chaos.history import Frozen, Robbed
from chaos.network import Network, Proxy
from chaos.processes import Part
from local_stack.servers import ports, postgres, roles
from local_stack.servers.processes import Role
from workers.runtime import process_tree

START_SECONDS = 90.0
STOP_SECONDS = 8.0
LOCKED = "-c lock_timeout=1s"
"""Who looks at a table that is locked is told so, and does not wait."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the platform is, and how long its leases are."""

    agents: int = 4
    cpus: int = 4
    gpus: int = 2
    lease: float = 4.0
    margin: float = 2.0
    disks: bool = True
    jobs: int = 0
    """For how many its hard budget has to be enough."""
    standby: bool = True
    """Whether there is a second broker that follows the first, and can take its place."""

    @property
    def most(self) -> tuple[int, int]:
        """GPUs and CPUs that all its projects may hold together."""
        return self.agents * self.gpus - 1, self.agents * self.cpus - 1

    @property
    def quota(self) -> dict[str, str]:
        """A little less than the machines have, so that it is in the way now and then."""
        return {
            "CHAOS_QUOTA_CPUS": str(self.most[1]),
            "CHAOS_QUOTA_GPUS": str(self.most[0]),
            "CHAOS_JOBS": str(self.jobs),
        }

    @property
    def settings(self) -> dict[str, str]:
        """Production's settings, but for times; and the platform's faults must not end a job here, however many."""
        return {
            "TRAINYARD_HEARTBEAT_SECONDS": f"{self.lease / 4:g}",
            "TRAINYARD_LEASE_SECONDS": f"{self.lease:g}",
            "TRAINYARD_LEASE_MARGIN_SECONDS": f"{self.margin:g}",
            "TRAINYARD_RECOVERY_SECONDS": "1",
            "TRAINYARD_REPUBLISH_SECONDS": "2",
            "TRAINYARD_CYCLE_SECONDS": "1",
            "TRAINYARD_GANG_START_SECONDS": f"{3 * self.lease:g}",
            "TRAINYARD_KILL_GRACE_SECONDS": "1",
            "TRAINYARD_PREEMPT_GRACE_SECONDS": "2",
            "TRAINYARD_DRAIN_SECONDS": "2",
            "TRAINYARD_BROKER_TIMEOUT": "2",
            "TRAINYARD_PLATFORM_RETRIES": "1000",
            "TRAINYARD_THROTTLE": "1000000/min",
            "TRAINYARD_NODE_TRIAL_SECONDS": "10",
            "TRAINYARD_DISK_RESERVE_MB": "4",
            "TRAINYARD_RUN_AS": "agent",  # the drill's commands keep diaries in a folder that all share
        }


@dataclass(frozen=True, slots=True)
class Machine:
    """One agent, its lines to the servers and its folder."""

    name: str
    agent: Part
    lines: tuple[Proxy, Proxy]
    home: Path

    def shims(self) -> list[psutil.Process]:
        return shims_in(self.home)


class Stack:
    """Everything that runs. Parts are started and looked after from the main thread alone."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.folder = folder
        self.shape = shape
        self.diaries = folder / "diaries"
        self.home = folder / "home"
        self.web_port = ports.pick_free()
        self.machines: list[Machine] = []
        self.parts: dict[str, Part] = {}
        self.frozen: list[Frozen] = []
        self.robbed: list[Robbed] = []
        self.twins: list[str] = []
        """What second agents did that they should not have done."""
        self._network = Network()
        self._site_environment: Mapping[str, str] = {}
        for made in (self.diaries, self.home, folder / "logs"):
            made.mkdir(parents=True)
        fast = postgres.FOR_TESTS
        self.postgres = postgres.PostgresServer(folder / "postgres", ports.pick_free(), secrets.token_hex(8), fast)
        self.valkey, self.standby = brokers.pair(folder)
        self._broker_lines: list[Proxy] = []

    @property
    def token(self) -> str:
        return str(json.loads((self.home / "credentials.json").read_text(encoding="utf-8"))["token"])

    def start(self) -> None:
        """Returns when every node is up and the site answers."""
        self._start_servers()
        self._start_site()
        options = {"cpus": self.shape.cpus, "gpus": self.shape.gpus, "memory-gb": 64}
        for number in range(self.shape.agents):
            self.start_machine(f"n{number + 1}", options)
        self.wait_for(lambda: ports.answers(self.web_port), "the site")
        self.wait_until_all_up()

    def wait_until_all_up(self) -> None:
        self.wait_for(self._all_up, "the nodes")

    def supervise(self) -> None:
        """Start again what is meant to run and does not: called often, from the main thread."""
        for part in self.parts.values():
            part.supervise()

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Raises TimeoutError naming `what` when the condition does not come true in time."""
        give_up_at = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"waited {seconds:g} s in vain for {what}; see {self.folder}")
            self.supervise()
            time.sleep(0.05)

    def database(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=2, options=LOCKED)

    def audits(self) -> list[str]:
        """What the platform's own audits find wrong now, or have had to mend: a sentence each."""
        command = [sys.executable, "-m", "chaos.books.audits"]
        done = subprocess.run(
            command, check=True, cwd=roles.CHECKOUT, env=self._site_environment, stdout=subprocess.PIPE
        )
        found: list[str] = json.loads(done.stdout.splitlines()[-1])
        return found

    def empty_broker(self) -> None:
        """Lose every message, and keep everybody's connection."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def close(self) -> None:
        """End everything, jobs included."""
        for part in reversed(self.parts.values()):
            part.close(STOP_SECONDS if part.role.name == "postgres" else 0)
        for process in self.strays():
            with suppress(psutil.Error):
                process.kill()
        self._network.close()
        if self.shape.disks:
            for machine in self.machines:
                disks.unmount(machine.home)

    def strays(self) -> list[psutil.Process]:
        """Every process of a job of this drill that is left, shims included."""
        shims = [shim for machine in self.machines for shim in machine.shims()]
        return [*shims, *marked(f"{self.folder}/")]

    def _all_up(self) -> bool:
        with suppress(psycopg.Error), self.database() as database:
            up = database.execute("SELECT count(*) FROM workers_node WHERE state = 'up'").fetchone()
            return up == (sum(machine.agent.running for machine in self.machines),)
        return False

    def _start_servers(self) -> None:
        self.postgres.prepare()
        self.valkey.prepare()
        self._part(Role("postgres", tuple(self.postgres.command), stop_signal=signal.SIGINT)).start()
        self._part(Role("valkey", tuple(self.valkey.command))).start()
        if self.shape.standby:
            brokers.follow(self.standby, self.valkey)
            self._part(Role("standby", tuple(self.standby.command))).start()
        self.wait_for(self.postgres.is_ready, "PostgreSQL")
        self.wait_for(self.valkey.is_ready, "Valkey")

    def _start_site(self) -> None:
        broker = self._through(self._broker_proxy()) if self.shape.standby else self.valkey.url
        environment = {**os.environ, **self._environment(self.postgres.url, broker, self.home)}
        prepare = [sys.executable, "-m", "chaos.accounts"]
        subprocess.run(prepare, check=True, cwd=roles.CHECKOUT, env={**environment, **self.shape.quota})
        self._site_environment = environment
        for role in (roles.web(self.web_port), roles.control(), roles.beat()):
            self._part(role, environment).start()

    def start_machine(self, name: str, options: Mapping[str, object], **settings: str) -> Machine:
        """One more agent, with these options of `manage.py node` and settings of its own."""
        home = self.folder / name
        home.mkdir()
        if self.shape.disks:
            disks.mount(home)
        (home / "jobs").symlink_to(self.home / "jobs")
        (self.home / "jobs").mkdir(exist_ok=True)
        lines = (self._network.proxy(self.postgres.port), self._broker_proxy())
        database = self.postgres.url.replace(f":{self.postgres.port}/", f":{lines[0].port}/")
        broker = self._through(lines[1])
        words = tuple((key, str(value)) for key, value in options.items())
        environment = {**os.environ, "TRAINYARD_ROLE": "node", **self._environment(database, broker, home), **settings}
        agent = self._part(roles.agent(roles.NodeSpec(name, words), {}), environment)
        agent.start()
        machine = Machine(name, agent, lines, home)
        self.machines.append(machine)
        return machine

    def promote_standby(self) -> None:
        """The two brokers change places, and everybody's address leads to the other one: who was connected is cut off."""
        self.valkey, self.standby = self.standby, self.valkey
        self.parts["valkey"], self.parts["standby"] = self.parts["standby"], self.parts["valkey"]
        for line in self._broker_lines:
            line.lead_to(self.valkey.port)

    def _broker_proxy(self) -> Proxy:
        self._broker_lines.append(self._network.proxy(self.valkey.port))
        return self._broker_lines[-1]

    def _through(self, line: Proxy) -> str:
        return self.valkey.url.replace(f":{self.valkey.port}/", f":{line.port}/")

    def _part(self, role: Role, environment: Mapping[str, str] = os.environ) -> Part:
        part = Part(role, self.folder / "logs" / role.name, environment)
        self.parts[role.name] = part
        return part

    def _environment(self, database_url: str, broker_url: str, home: Path) -> dict[str, str]:
        return {
            **self.shape.settings,
            "DJANGO_SETTINGS_MODULE": "scheduler_site.settings",
            "TRAINYARD_SECRET_KEY": "a-key-for-a-drill-that-protects-nothing-at-all-0123456789",
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "TRAINYARD_HOME": str(home),
            "TRAINYARD_PORT": str(self.web_port),
        }


@contextmanager
def running(folder: Path, shape: Shape) -> Iterator[Stack]:
    """A platform that is up; gone at the end, whatever happens."""
    stack = Stack(folder, shape)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


def shims_in(home: Path) -> list[psutil.Process]:
    """Those of the jobs that run there, the oldest first, by what they wrote down themselves."""
    found = map(_shim, sorted(home.glob("nodes/*/attempts/*/status.json")))
    return [shim for shim in found if shim is not None]


def marked(under: str) -> list[psutil.Process]:
    """Every process of a job whose folder of its attempt begins with `under`."""
    return [one for one in psutil.process_iter() if _of_a_job(one, under)]


def _of_a_job(process: psutil.Process, mark: str) -> bool:
    try:
        marked = process.environ().get(process_tree.MARKER, "").startswith(mark)
        return marked and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _shim(status: Path) -> psutil.Process | None:
    with suppress(OSError, ValueError, KeyError, psutil.Error):
        said = json.loads(status.read_text(encoding="utf-8"))
        if process_tree.is_running(said["shim_pid"], said["shim_start"]):
            return psutil.Process(said["shim_pid"])
    return None
