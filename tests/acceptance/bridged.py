"""A cluster of processes with its bridge, beside the platform of a test: real processes, so that the test may kill them."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.platform import Platform
from tests.executors.bridge import process_cluster
from tests.waiting import wait_for
from workers.models import Cluster, Node

ENGINE = "process=tests.executors.bridge.process_engine.connect"


def node(name: str, *, cpus: int = 4, memory_mb: int = 8192, gpus: int = 0, **fields: Any) -> dict[str, Any]:
    return {"name": name, "cpus": cpus, "memory_mb": memory_mb, "gpus": [("NVIDIA H100", 81_559)] * gpus, **fields}


class Bridged:
    """One cluster. Its control plane is no child of a bridge: what it runs outlives them all."""

    def __init__(self, platform: Platform, name: str = "pond") -> None:
        self.platform = platform
        self.name = name
        self.folder = platform.home / "process-clusters" / name
        platform.environment["TRAINYARD_ENGINES"] = ENGINE

    def start(self, *nodes: dict[str, Any]) -> "Bridged":
        """The cluster, and its bridge; returns once its nodes take jobs."""
        process_cluster.lay_out(self.folder, list(nodes))
        command = [sys.executable, "-m", "tests.executors.bridge.process_cluster", str(self.folder)]
        self.platform._start(f"cluster-{self.name}", command)
        self.start_bridge()
        self.wait_until_up(len(nodes))
        return self

    def start_bridge(self, process: str = "bridge", **extra: str) -> None:
        command = [sys.executable, "manage.py", "bridge", self.name, "--kind", "process"]
        extra.setdefault("DATABASE_URL", self.platform.agent_url())
        self.platform._start(process, [*command, "--set", f"folder={self.folder}"], TRAINYARD_ROLE="node", **extra)

    def wait_until_up(self, nodes: int = 1) -> None:
        up = Node.objects.filter(cluster__name=self.name, state="up", removed_at__isnull=True)
        wait_for(lambda: up.count() == nodes, 30, lambda: f"nodes of {self.name}: {self.platform.log('bridge')}")

    @property
    def row(self) -> Cluster:
        return Cluster.objects.get(name=self.name)

    def workloads(self) -> dict[str, Any]:
        """What the cluster has, by name."""
        found: dict[str, Any] = json.loads((self.folder / process_cluster.OBSERVED).read_text())
        return found

    def delete(self, name: str) -> None:
        """By hand, past the bridge."""
        (self.folder / process_cluster.WANTED / f"{name}.json").unlink()

    def cut(self, words: str = "connection refused") -> None:
        """From now on it does not answer; what runs there runs."""
        (self.folder / process_cluster.CUT).write_text(words)

    def mend(self) -> None:
        (self.folder / process_cluster.CUT).unlink()

    def side_file(self, name: str) -> Path:
        """Where commands of a test count themselves."""
        return self.platform.home / name
