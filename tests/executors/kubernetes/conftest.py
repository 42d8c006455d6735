"""A real Kubernetes with its scheduler, a scripted kubelet under it, and the engine above it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from executors.engine import Engine, Observed, Phase, Workload
from executors.kubernetes.engine import connect
from jobs.attempts.claims import PlacementSpec
from tests.deploy.api_server import ApiServer, api_server
from tests.executors.kubernetes.kubelet import Kubelet
from tests.waiting import wait_for

NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("kubernetes-engine")) as made:
        made.start_scheduler()
        yield made


@pytest.fixture
def namespace(server: ApiServer) -> Iterator[str]:
    name = f"jobs-{next(NUMBERS)}"
    server.kubectl("create", "namespace", name)
    wait_for(
        lambda: '"secrets"' in server.kubectl("get", "sa", "default", "-n", name, "-o", "json", check=False), 30, name
    )
    yield name
    server.kubectl("delete", "jobs,pods,services", "--all", "-n", name, "--grace-period=0", "--force", check=False)


@pytest.fixture
def kubelet(server: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Kubelet]:
    made = Kubelet(server, tmp_path / "kubelet")
    made.add_node(f"{namespace}-a", gpus=2, nvidia__x="y", **{"nvidia.com__gpu.product": "NVIDIA-L4"})
    yield made
    made.close()


@pytest.fixture
def engines(server: ApiServer, namespace: str) -> Iterator[Callable[..., Engine]]:
    """Makes engines for the namespace: as a bridge that began anew has one."""
    made = []

    def make(**words: str) -> Engine:
        known = {"kubeconfig": str(server.kubeconfig()), "namespace": namespace, **words}
        made.append(connect("there", known))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def engine(engines, kubelet) -> Engine:
    return engines()


def workload(namespace: str, *command: str, members: int = 1, nodes: tuple[str, ...] = (), **fields) -> Workload:
    """One attempt that no other has the name of; `fields` are of the workload or of its placements."""
    number = next(NUMBERS)
    fields.setdefault("image", "python:3")
    own = {
        name: fields.pop(name)
        for name in ("image", "gpu_model", "priority", "labels", "queue", "user")
        if name in fields
    }
    base = {
        "job_id": number, "job_name": "a Job, of Ann's/1", "attempt_id": number, "attempt": 1, "project": "vision",
        "command": command, "working_dir": "", "env": {}, "cpus": 1, "memory_mb": 256, "gpu_indices": (),
        "max_runtime_seconds": None, "grace_seconds": 5, "nodes": members, "token": f"0000-{number}",
    }  # fmt: skip
    specs = tuple(
        PlacementSpec(placement_id=number * 100 + rank, rank=rank, **{**base, **fields}) for rank in range(members)
    )
    return Workload(f"ty-{number}-1-abcdef", specs, nodes or (f"{namespace}-a",) * members, **own)


def seen(engine: Engine, name: str, phase: Phase, seconds: float = 30) -> Observed:
    """As soon as it is so far."""

    def look() -> Observed | None:
        found = engine.observe().get(name)
        return found if found is not None and found.phase is phase else None

    found = wait_for(look, seconds, f"{name} to be {phase}; {engine.observe().get(name)}")
    assert found is not None
    return found
