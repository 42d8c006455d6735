"""A cluster of processes with its bridge, beside the platform of a test: real processes, so that the test may kill them."""

import json
import sys
from pathlib import Path
from typing import Any

from jobs.models import JobEvent, Preemption
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.executors.bridge import process_cluster
from tests.waiting import wait_for
from workers.models import Cluster, Node

ENGINE = "process=tests.executors.bridge.process_engine.connect"

SAVES = """
n=$(cat $TRAINYARD_CHECKPOINT_DIR/step 2>/dev/null || echo 0)
echo from $n
trap 'echo 7 > $TRAINYARD_CHECKPOINT_DIR/step; echo "{\\"checkpoint\\": true}" >> $TRAINYARD_REPORT; exit 0' TERM
[ $n = 7 ] && exit 0
while true; do sleep 0.1 2>/dev/null; done 2>/dev/null
"""
"""A command that is done once it has been stopped and gone on."""


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


def gives_way_and_goes_on(platform: Platform, **its: Any) -> None:
    """A job that leaves no room for another of its size saves its work for a more urgent one and goes on after it where it was."""
    [long] = submitted(SAVES, priority="background", checkpointable=True, **its)
    wait_for_state(long, "running", platform=platform, timeout=60)
    wait_for(lambda: "from 0" in output(long), 20, "its trap to be set")
    [urgent] = submitted("echo urgent", priority="urgent", **its)
    urgent = wait_for_state(urgent, "completed", platform=platform, timeout=60)
    long = wait_for_state(long, "completed", platform=platform, timeout=60)

    first, second = long.attempts.order_by("number")
    assert (first.end_reason, first.saved, second.end_reason) == ("preempted", True, "completed")
    assert first.ended_at <= urgent.started_at <= urgent.finished_at <= second.started_at
    assert (long.retries_used, long.platform_retries_used) == (0, 0)
    assert (first.preemption.for_job_id, Preemption.objects.count()) == (urgent.pk, 1)
    assert JobEvent.objects.get(job=long, kind="preempt_requested").data["for_job"] == urgent.pk
    assert [line for line in output(long).splitlines() if line.startswith("from")] == ["from 0", "from 7"]
