"""A real Slurm and a real Kubernetes, each with the bridge that joins it to the platform."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local_stack.demo.rest import DemoRest
from local_stack.servers import parent_death
from local_stack.servers.home import Home
from local_stack.servers.roles import CHECKOUT
from scheduling.executors import AGENT
from tests.clusters.slurm.slurm_cluster import slurm_cluster
from tests.deploy.api_server import api_server
from tests.engines.prerequisites import RELEASE
from tests.executors.kubernetes.claims import bind_claim
from tests.executors.kubernetes.kubelet import Kubelet
from tests.waiting import wait_for

SLURM, KUBERNETES = "hpc", "kube"
KINDS = {SLURM: "slurm", KUBERNETES: "kubernetes"}
NAMESPACE, CLAIM, IMAGE = "training", "jobs", "python:3"
NODES = 2
START_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True)
class Platform:
    """What a bridge has to know of it."""

    home: Home
    rest: DemoRest

    def log(self, cluster: str) -> Path:
        return self.home.folder / f"bridge-{cluster}.log"


@dataclass(frozen=True)
class Part:
    """One of what runs, for whoever wants to see it die: `kill` is SIGKILL, `begin` starts it again and returns once it answers."""

    kill: Callable[[], None]
    begin: Callable[[], None]


@dataclass(frozen=True)
class Joined:
    """A cluster whose nodes take jobs: what it is, its parts and the bridge's by name, and what it still has of jobs."""

    sentence: str
    parts: Mapping[str, Part]
    left: Callable[[], list[str]]


@contextmanager
def slurm(platform: Platform) -> Iterator[str]:
    """Two nodes that are up; yields a sentence on what it is. All of it ends with the block."""
    with slurm_joined(platform) as joined:
        yield joined.sentence


@contextmanager
def kubernetes(platform: Platform) -> Iterator[str]:
    """As `slurm` does."""
    with kubernetes_joined(platform) as joined:
        yield joined.sentence


@contextmanager
def slurm_joined(platform: Platform) -> Iterator[Joined]:
    with slurm_cluster(RELEASE, nodes=NODES, keep_logs=platform.home.folder / "slurm") as cluster:
        options = {
            "partition": "main", "shared": str(cluster.shared), "url": cluster.url,
            "path": f"{cluster.installed / 'programs'}:{os.defpath}",
        }  # fmt: skip

        def begin(name: str) -> None:
            cluster.start_daemon(name)
            # Slurm drains a node that still runs what its controller has lost: somebody has to take it back.
            for node in cluster.nodes:
                cluster.command("scontrol", "update", f"nodename={node}", "state=resume", check=False)

        def left() -> list[str]:
            return cluster.command("squeue", "-h", "-o", "%j").split()

        daemons = {
            name: Part(partial(cluster.kill, name), partial(begin, name))
            for name in ("slurmctld", "slurmdbd", "slurmrestd")
        }
        with bridge(platform, SLURM, options, {"EXECUTOR_SLURM_AUTH_TOKEN": cluster.token(lifespan=86_400)}) as its:
            told = f"Slurm {RELEASE} with its database and slurmrestd; its {NODES} nodes are daemons of this machine"
            yield Joined(told, {"bridge": its, **daemons, "database": database(platform)}, left)


@contextmanager
def kubernetes_joined(platform: Platform) -> Iterator[Joined]:
    folder = platform.home.folder / "kubernetes"
    folder.mkdir()
    with api_server(folder) as server:
        server.start_scheduler()
        server.kubectl("create", "namespace", NAMESPACE)
        kubelet = Kubelet(server, folder / "kubelet")

        def left() -> list[str]:
            kept = server.kubectl("get", "jobs,pods", "-n", NAMESPACE, "-o", "name", check=False)
            return [line for line in kept.split() if line.startswith(("job", "pod"))]

        try:
            bind_claim(kubelet, NAMESPACE, CLAIM)
            for number in range(NODES):
                kubelet.add_node(f"n{number + 1}", gpus=1)
            options = {"kubeconfig": str(server.kubeconfig()), "namespace": NAMESPACE, "claim": CLAIM}
            with bridge(platform, KUBERNETES, options, image=IMAGE) as its:
                told = (
                    "Kubernetes 1.20: API server, controllers and scheduler; a script plays the kubelet of its "
                    f"{NODES} nodes and runs the pods' commands as processes of this machine, not in containers"
                )
                parts = {"bridge": its, "api": Part(server.kill_api, server.start_api), "database": database(platform)}
                yield Joined(told, parts, left)
        finally:
            kubelet.close()


@contextmanager
def bridge(
    platform: Platform,
    cluster: str,
    options: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    *,
    image: str = "",
) -> Iterator[Part]:
    """A bridge whose nodes take jobs."""
    words = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    command = [
        *parent_death.signalled_with("TERM"), sys.executable, "manage.py", "bridge", cluster,
        "--kind", KINDS[cluster], "--image", image, *words,
    ]  # fmt: skip
    home = {"TRAINYARD_HOME": str(platform.home.folder), "TRAINYARD_ROLE": "node"}
    running: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        with platform.log(cluster).open("ab") as output:
            running.append(
                subprocess.Popen(
                    command, stdout=output, stderr=output, cwd=CHECKOUT,
                    env={**os.environ, **home, **(environment or {})}, start_new_session=True,
                )
            )  # fmt: skip

    def kill() -> None:
        running[-1].kill()
        running.pop().wait()

    def nodes_are_up() -> bool:
        assert running[-1].poll() is None, f"The bridge of {cluster} ended while it started."
        return len(nodes_of(cluster, platform.rest)) == NODES

    begin()
    try:
        wait_for(nodes_are_up, START_SECONDS, f"the nodes of {cluster}")
        yield Part(kill, begin)
    finally:
        for process in running:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def database(platform: Platform) -> Part:
    """The platform's own: `manage.py up`, which started it, starts it again."""

    def kill() -> None:
        recorded = json.loads((platform.home.folder / "processes.json").read_text(encoding="utf-8"))
        [found] = [one["pid"] for one in recorded if one["name"] == "postgres"]
        os.kill(found, signal.SIGKILL)

    return Part(kill, lambda: None)


def nodes_of(cluster: str, rest: DemoRest) -> list[str]:
    """The names of those that take work now."""
    return [node["name"] for node in rest.nodes() if node["name"].startswith(f"{cluster}-") and node["state"] == "up"]


def ran_on(node: str) -> str:
    """Which executor a node is of."""
    return KINDS.get(node.partition("-")[0], AGENT)
