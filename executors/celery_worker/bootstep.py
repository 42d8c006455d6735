"""The node agent's place in a Celery worker: it starts before messages come in, and drains when the worker stops."""

import fcntl
import json
import logging
import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from celery import Celery, bootsteps
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.signals import worker_shutting_down
from celery.worker import state

from executors.celery_worker.queue_probe import ProbeLoop, QueueProbe
from executors.celery_worker.shutdown import DETACH_SECONDS, REPORT_SECONDS, ShutdownThread, end, end_refused
from executors.session.sync import SYNC_THREAD
from scheduling.errors import ConflictError, TrainyardError, UnavailableError
from workers.protocol import ProtocolError

log = logging.getLogger(__name__)


class Runner(Protocol):
    """What runs placements on this node."""

    def start(self) -> None: ...

    @property
    def patience(self) -> float: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...

    def detach(self, within: float) -> bool: ...


@dataclass
class Service:
    """How this process's worker fares."""

    worker: Any = None
    told_to_end: threading.Event = field(default_factory=threading.Event)

    @property
    def failed(self) -> bool:
        """Whether the worker ends, or has ended, without having been told to."""
        return not self.told_to_end.is_set() and getattr(self.worker, "exitcode", None) in (None, EX_FAILURE)


def install(app: Celery, runner: Runner, queue_probe: QueueProbe) -> Service:
    """Make workers of `app` in this process speak for a node through `runner`.

    The drain starts with the signal itself: while the broker is away, a worker may take long to stop its own parts.
    An agent that messages do not reach begins anew; its jobs do not notice. Nor do they when the worker ends without having
    been told to: only an order stops jobs.
    """
    shutdown = ShutdownThread(runner.detach)
    service = Service()

    class NodeStep(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Pool",)

        def __init__(self, worker: Any, **options: Any) -> None:
            service.worker = worker
            super().__init__(worker, **options)

        def start(self, worker: Any) -> None:
            shutdown.start()
            # Before the runner begins: told to end while the database is away, the process must be able to.
            heed_signals(shutdown)
            threading.excepthook = end_when_silenced
            begin(runner)
            probing = ProbeLoop(
                queue_probe,
                busy=lambda: no_thread_free(worker),
                on_unresponsive=lambda: restart_unresponsive(shutdown),
            )
            # Weak references would be gone at once: nobody else holds these functions.
            worker_shutting_down.connect(lambda **_: probing.stop(), weak=False)
            probing.start()

        def close(self, _worker: Any) -> None:
            """Before any part of the worker is stopped."""
            if service.failed:
                crash(runner)

        def stop(self, _worker: Any) -> None:
            runner.close()

        def terminate(self, worker: Any) -> None:
            self.stop(worker)

    app.steps["worker"].add(NodeStep)

    def on_shutting_down(**_: Any) -> None:
        service.told_to_end.set()  # first: `close` goes by it
        runner.drain()
        shutdown.detach_within(runner.patience + REPORT_SECONDS)

    worker_shutting_down.connect(on_shutting_down, weak=False)
    return service


def begin(runner: Runner) -> None:
    """Start the runner; where that cannot be, this process ends, with one line where it was refused."""
    try:
        runner.start()
    except CancelledError:
        raise WorkerShutdown(0) from None  # told to end before the database had answered
    except ProtocolError as error:
        log.error("The agent is refused, and is not to be started again as it is: %s", error)  # noqa: TRY400  the same
        end_refused()
    except TrainyardError as error:
        log.error("The agent is refused: %s", error)  # noqa: TRY400  a refusal is no fault of the code's
        end(said=False)
    except Exception:
        log.critical("The agent could not begin.", exc_info=True)
        crash(runner)


def crash(runner: Runner) -> None:
    """The worker has failed: this process ends with exit code 1 and its jobs run on, as when it is told to leave."""
    log.critical("The agent ends, and leaves its jobs to the next one.")
    runner.detach(DETACH_SECONDS)
    end(said=False)


def heed_signals(shutdown: ShutdownThread) -> None:
    """SIGQUIT: leave, and let the jobs run. SIGHUP, except from a terminal that closes: the same, and begin anew.

    Celery's own answers to both wait for every job to end.
    """
    signal.signal(signal.SIGQUIT, lambda *_: shutdown.detach())
    if signal.getsignal(signal.SIGHUP) not in (signal.SIG_DFL, signal.SIG_IGN):  # Celery looked for a terminal
        signal.signal(signal.SIGHUP, lambda *_: shutdown.renew())


def end_when_silenced(failed: threading.ExceptHookArgs) -> None:
    """The thread that renews the leases ends only by a fault of ours: without it an agent is of no use to anybody.

    The process ends with exit code 1, and its supervisor starts the next one, which takes the jobs over.
    """
    threading.__excepthook__(failed)
    if failed.thread is not None and failed.thread.name == SYNC_THREAD:
        log.critical("The agent cannot speak for its node any more (%s): it ends.", failed.exc_type.__name__)
        end(said=False)


def no_thread_free(worker: Any) -> bool:
    """Whether the worker takes no message because it has no thread for it; so Celery itself decides that."""
    return len(state.reserved_requests) >= worker.concurrency


def restart_unresponsive(shutdown: ShutdownThread) -> None:
    log.error("The broker takes messages for this node, but none of them arrives here: the agent begins anew.")
    shutdown.renew()


class NodeFolder:
    """The folder of a node, or of a cluster's bridge, on this machine: whoever holds its lock speaks, under one lasting identity.

    Raises UnavailableError where it cannot be written.
    """

    def __init__(self, home: Path, name: str, *, among: str = "nodes") -> None:
        self.path = home / among / name
        with self._writable():
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
            # Written beside and put in its place whole: half a file would cost the node its identity.
            fresh = uuid.uuid4()
            temporary = path.with_suffix(".new")
            with self._writable():
                temporary.write_text(json.dumps({"agent_id": str(fresh)}), encoding="utf-8")
                temporary.replace(path)
            return fresh

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnavailableError(
                f"the node's folder {self.path} cannot be written: {error.strerror}; set TRAINYARD_HOME to one that can"
            ) from None
