"""The bridge as a process: it stands by until the cluster is its to speak for, and leaves what runs there running."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection

from executors.bridge.session import DATABASE_ERRORS, ClusterSession
from executors.celery_worker.bootstep import NodeFolder
from executors.celery_worker.queue_probe import QueueProbe
from executors.celery_worker.shutdown import end
from executors.engine import Engine, OutOfReachError
from jobs.state.outcome import PlacementRef
from scheduling.errors import ConflictError
from workers import clusters, protocol
from workers.models import Cluster

log = logging.getLogger(__name__)
STANDS_BY_SECONDS = 1.0
"""How often one that stands by looks whether the other one is still there."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a bridge is: the cluster it speaks for, and one run of its process."""

    name: str
    kind: str
    agent_id: UUID
    version: str = ""
    image: str = ""


class Bridge:
    """Everything that one process does for one cluster. Its parts begin once it is the one that speaks for it."""

    def __init__(
        self,
        *,
        identity: Identity,
        engine: Engine,
        folder: NodeFolder,
        queue_probe: QueueProbe | None,
        say: Callable[[str], object],
    ) -> None:
        self.queue_probe = queue_probe
        self._identity = identity
        self._engine = engine
        self._folder = folder
        self._say = say
        self._told_to_end = threading.Event()
        self._session: ClusterSession | None = None

    def start(self) -> None:
        """Wait until nobody else speaks for the cluster, then speak for it.

        Raises CancelledError if it was told to end before that, ConflictError where the name can never be its.
        """
        cluster = self._stand_by()
        attempts = self._folder.path / "attempts"
        attempts.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = {"probe": self.queue_probe.result} if self.queue_probe is not None else {}
        self._session = ClusterSession(
            cluster=cluster,
            agent_id=self._identity.agent_id,
            engine=self._engine,
            folder=attempts,
            on_taken_over=lambda: end(said=False),
            **probe,
        )
        connection.close()  # the session's thread has one of its own
        self._session.begin()
        self._say(f"bridge of cluster {cluster.name} is up: it speaks to {self._identity.kind}")

    def run(self, ref: PlacementRef) -> bool:
        """A doorbell: something is placed on the cluster's nodes. Returns at once."""
        if self._session is not None:
            self._session.ring()
        return True

    def refresh(self) -> None:
        if self._session is not None:
            self._session.refresh()

    @property
    def patience(self) -> float:
        """It waits for nothing that runs."""
        return 0.0

    def drain(self) -> None:
        """Told to end. Safe to call from a signal handler."""
        self._told_to_end.set()

    def close(self) -> None:
        self.detach(settings.DRAIN_SECONDS)

    def detach(self, within: float) -> bool:
        """Say what is unsaid and leave: what runs in the cluster runs on, and the next bridge goes on with it."""
        self._told_to_end.set()
        if self._session is None:
            return True
        said = self._session.end(within)
        if said:
            self._engine.close()
            self._say(f"bridge of cluster {self._identity.name} has ended; what runs there runs on")
        self._session = None
        return said

    def _stand_by(self) -> Cluster:
        told = ""
        while not self._told_to_end.is_set():
            try:
                self._folder.lock()
                return self._register()
            except ConflictError as error:
                if isinstance(error, protocol.ProtocolError) or error.state != clusters.HELD:
                    raise
                words = f"bridge of cluster {self._identity.name} stands by: {error}"
            except DATABASE_ERRORS as error:
                words = f"The database is out of reach, trying again: {str(error).strip()}"
                connection.close()
            if words != told:
                self._say(words)
                told = words
            self._told_to_end.wait(STANDS_BY_SECONDS)
        raise CancelledError

    def _register(self) -> Cluster:
        its = self._identity
        if words := protocol.why_not_here():
            raise protocol.ProtocolError(words)
        return clusters.register(
            name=its.name, kind=its.kind, agent_id=its.agent_id, version=its.version, image=its.image,
            unsupported=self._unsupported(),
        )  # fmt: skip

    def _unsupported(self) -> Mapping[str, str]:
        try:
            return self._engine.unsupported()
        except OutOfReachError:
            return {}  # said again by whoever registers next


class SharedFolder(NodeFolder):
    """The folder of a cluster's bridges on this machine: a second one stands by instead of being refused."""

    def lock(self) -> None:
        try:
            super().lock()
        except ConflictError:
            raise ConflictError("Another bridge on this machine speaks for it.", state=clusters.HELD) from None
