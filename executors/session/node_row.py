"""The node's row as its agent keeps it. When the node takes work that it did not take before, a cycle is asked for.

Without that jobs that came before the node would wait for the next request, or for beat's.
"""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from executors.session.requests import Identity
from jobs.messages import publishing
from workers import heartbeats
from workers.hardware.inventory import Hardware
from workers.heartbeats import QueueProbeResult

NOTHING: frozenset[object] = frozenset()
DISK = "disk"


class NodeRow:
    """Of one agent, used by the thread that speaks for it."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._shut = NOTHING  # what of the node takes no work
        self._heard_at = time.monotonic()

    def register(self, hardware: Hardware) -> int:
        """Returns the node's id. Raises ConflictError if its name belongs to another agent that is alive."""
        its = self._identity
        node = heartbeats.register(
            name=its.name, hardware=hardware, agent_id=its.agent_id, labels=its.labels, version=its.version,
            boot_id=its.boot_id, leaves_in=its.lifetime.leaves_in,
        )  # fmt: skip
        self._heard_at = time.monotonic()
        publishing.request_cycle()
        return node.pk

    def beat(self, node_id: int, load: Mapping[str, Any], *, leaving: bool, heard: QueueProbeResult) -> bool:
        """One sign of life; False when another agent speaks for the node now."""
        mine = heartbeats.beat(
            node_id=node_id, agent_id=self._identity.agent_id, load=load, leaving=leaving, heard=heard
        )
        now, shut = time.monotonic(), _shut(load)
        was_silent = now - self._heard_at > settings.LEASE_SECONDS  # it was taken for down
        if mine and not leaving and (was_silent or self._shut - shut):
            publishing.request_cycle()
        self._shut, self._heard_at = shut, now
        return mine


def _shut(load: Mapping[str, Any]) -> frozenset[object]:
    """What of the node gets no work, as planners read it: GPUs that reported an error, or all of it, while its disk is full."""
    gpus = {gpu["index"] for gpu in load.get("gpus_out", ())}
    return frozenset(gpus | {DISK} if load.get("disk_full") else gpus)
