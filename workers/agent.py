"""The node agent's place in a Celery worker: it starts before messages come in, and drains when the worker stops."""

import fcntl
import json
import uuid
from pathlib import Path
from typing import Any, Protocol

from celery import Celery, bootsteps
from celery.signals import worker_shutting_down

from scheduling.errors import ConflictError


class Runner(Protocol):
    """What runs placements on this node."""

    def start(self) -> None: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...


def install(app: Celery, runner: Runner) -> None:
    """Make workers of `app` in this process speak for a node through `runner`.

    The drain starts with the signal itself: while the broker is away, a worker may take long to stop its own parts.
    """

    class NodeStep(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Pool",)

        def start(self, _worker: Any) -> None:
            runner.start()

        def stop(self, _worker: Any) -> None:
            runner.close()

        def terminate(self, worker: Any) -> None:
            self.stop(worker)

    app.steps["worker"].add(NodeStep)
    worker_shutting_down.connect(lambda **_: runner.drain(), weak=False)


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
