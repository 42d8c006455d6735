"""Real servers for tests to start, kill, wipe and restart: the ones that `manage.py up` runs."""

import signal
import subprocess
from pathlib import Path

import redis

from scheduler_site.local_stack import postgres, valkey
from scheduler_site.local_stack.ports import pick_free
from tests.waiting import wait_for


class RunningServer:
    """A server in a process of its own; the same port and data over restarts."""

    def __init__(self, server: postgres.PostgresServer | valkey.ValkeyServer, stop_signal: signal.Signals) -> None:
        self.server = server
        self.url = server.url
        self.process: subprocess.Popen[bytes] | None = None
        self._stop_signal = stop_signal

    def start(self) -> None:
        """Start it and return once it answers."""
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
        self.process.send_signal(signal_number)
        self.process.wait(20)
        self.process = None


class Broker(RunningServer):
    def wipe(self) -> None:
        """Lose every message and every binding, and keep running."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


def new_postgres(folder: Path) -> RunningServer:
    server = postgres.PostgresServer(folder / "postgres", pick_free(), "secret", postgres.FOR_TESTS)
    return RunningServer(server, signal.SIGINT)


def new_broker(folder: Path) -> Broker:
    return Broker(valkey.ValkeyServer(folder / "valkey", pick_free(), "secret"), signal.SIGTERM)
