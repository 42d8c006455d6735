"""A real Slurm and a real Kubernetes, each with the bridge that joins it to the platform."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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


@contextmanager
def slurm(platform: Platform) -> Iterator[str]:
    """Two nodes that are up; yields a sentence on what it is. All of it ends with the block."""
    with slurm_cluster(RELEASE, nodes=NODES, keep_logs=platform.home.folder / "slurm") as cluster:
        options = {
            "partition": "main", "shared": str(cluster.shared), "url": cluster.url,
            "path": f"{cluster.installed / 'programs'}:{os.defpath}",
        }  # fmt: skip
        with bridge(platform, SLURM, options, {"EXECUTOR_SLURM_AUTH_TOKEN": cluster.token()}):
            yield f"Slurm {RELEASE} with its database and slurmrestd; its {NODES} nodes are daemons of this machine"


@contextmanager
def kubernetes(platform: Platform) -> Iterator[str]:
    """As `slurm` does."""
    folder = platform.home.folder / "kubernetes"
    folder.mkdir()
    with api_server(folder) as server:
        server.start_scheduler()
        server.kubectl("create", "namespace", NAMESPACE)
        kubelet = Kubelet(server, folder / "kubelet")
        try:
            bind_claim(kubelet, NAMESPACE, CLAIM)
            for number in range(NODES):
                kubelet.add_node(f"n{number + 1}", gpus=1)
            options = {"kubeconfig": str(server.kubeconfig()), "namespace": NAMESPACE, "claim": CLAIM}
            with bridge(platform, KUBERNETES, options, image=IMAGE):
                yield (
                    "Kubernetes 1.20: API server, controllers and scheduler; a script plays the kubelet of its "
                    f"{NODES} nodes and runs the pods' commands as processes of this machine, not in containers"
                )
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
) -> Iterator[None]:
    """A bridge whose nodes take jobs."""
    words = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    command = [
        *parent_death.signalled_with("TERM"), sys.executable, "manage.py", "bridge", cluster,
        "--kind", KINDS[cluster], "--image", image, *words,
    ]  # fmt: skip
    home = {"TRAINYARD_HOME": str(platform.home.folder), "TRAINYARD_ROLE": "node"}
    with platform.log(cluster).open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=CHECKOUT, env={**os.environ, **home, **(environment or {})},
            start_new_session=True,
        )  # fmt: skip
    try:

        def nodes_are_up() -> bool:
            assert process.poll() is None, f"The bridge of {cluster} ended while it started."
            return len(nodes_of(cluster, platform.rest)) == NODES

        wait_for(nodes_are_up, START_SECONDS, f"the nodes of {cluster}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def nodes_of(cluster: str, rest: DemoRest) -> list[str]:
    """The names of those that take work now."""
    return [node["name"] for node in rest.nodes() if node["name"].startswith(f"{cluster}-") and node["state"] == "up"]


def ran_on(node: str) -> str:
    """Which executor a node is of."""
    return KINDS.get(node.partition("-")[0], AGENT)
