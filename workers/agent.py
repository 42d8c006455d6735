"""The node agent's place in a Celery worker: it starts before messages come in, and drains when the worker stops."""

import fcntl
import json
import logging
import signal
import threading
import uuid
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Protocol

from celery import Celery, bootsteps
from celery.exceptions import WorkerShutdown
from celery.signals import worker_shutting_down
from celery.worker import state

from scheduling.errors import ConflictError
from workers import departure as leaving
from workers.departure import REPORT_SECONDS, Departure
from workers.hearing import Hearing, Watch

log = logging.getLogger(__name__)
VOICE = "ledger"
"""The name of the thread through which an agent speaks to the database."""


class Runner(Protocol):
    """What runs placements on this node."""

    def start(self) -> None: ...

    @property
    def patience(self) -> float: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...

    def leave(self, within: float) -> bool: ...


def install(app: Celery, runner: Runner, hearing: Hearing) -> None:
    """Make workers of `app` in this process speak for a node through `runner`.

    The drain starts with the signal itself: while the broker is away, a worker may take long to stop its own parts.
    An agent that turns out deaf begins anew; its jobs do not notice.
    """
    departure = Departure(runner.leave)

    class NodeStep(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            departure.start()
            heed_signals(departure)
            threading.excepthook = end_when_silenced
            try:
                runner.start()
            except CancelledError:
                raise WorkerShutdown(0) from None  # told to end before the database had answered
            watch = Watch(hearing, busy=lambda: no_thread_free(worker), deaf=lambda: tell_deaf(departure))
            worker_shutting_down.connect(lambda **_: watch.stop(), weak=False)
            watch.start()

        def stop(self, _worker: Any) -> None:
            runner.close()

        def terminate(self, worker: Any) -> None:
            self.stop(worker)

    app.steps["worker"].add(NodeStep)

    def on_shutting_down(**_: Any) -> None:
        runner.drain()
        departure.leave_within(runner.patience + REPORT_SECONDS)

    worker_shutting_down.connect(on_shutting_down, weak=False)


def heed_signals(departure: Departure) -> None:
    """SIGQUIT: leave, and let the jobs run. SIGHUP, except from a terminal that closes: the same, and begin anew.

    Celery's own answers to both wait for every job to end.
    """
    signal.signal(signal.SIGQUIT, lambda *_: departure.leave())
    if signal.getsignal(signal.SIGHUP) not in (signal.SIG_DFL, signal.SIG_IGN):  # Celery looked for a terminal
        signal.signal(signal.SIGHUP, lambda *_: departure.renew())


def end_when_silenced(failed: threading.ExceptHookArgs) -> None:
    """The thread that renews the leases ends only by a fault of ours: without it an agent is of no use to anybody.

    The process ends with exit code 1, and its supervisor starts the next one, which takes the jobs over.
    """
    threading.__excepthook__(failed)
    if failed.thread is not None and failed.thread.name == VOICE:
        log.critical("The agent cannot speak for its node any more (%s): it ends.", failed.exc_type.__name__)
        leaving.end(said=False)


def no_thread_free(worker: Any) -> bool:
    """Whether the worker takes no message because it has no thread for it; so Celery itself decides that."""
    return len(state.reserved_requests) >= worker.concurrency


def tell_deaf(departure: Departure) -> None:
    log.error("The broker takes messages for this node, but none of them arrives here: the agent begins anew.")
    departure.renew()


class NodeFolder:
    """The node's folder on this machine: whoever holds its lock speaks for the node, under one lasting identity."""

    def __init__(self, home: Path, name: str) -> None:
        self.path = home / "nodes" / name
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (self.path / "lock").open("w")

    def lock(self) -> None:
        """Raises ConflictError if another agent on this machine runs under the same name."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"an agent for node {self.path.name!r} runs on this machine already: give this one another --name"
            ) from None

    def agent_id(self) -> uuid.UUID:
        """The identity under which this folder's agents speak: kept, so that a restarted agent is known again."""
        path = self.path / "agent.json"
        try:
            return uuid.UUID(json.loads(path.read_text(encoding="utf-8"))["agent_id"])
        except (OSError, ValueError, KeyError, TypeError):
            fresh = uuid.uuid4()
            temporary = path.with_suffix(".new")
            temporary.write_text(json.dumps({"agent_id": str(fresh)}), encoding="utf-8")
            temporary.replace(path)
            return fresh
