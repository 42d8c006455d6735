"""A Kubernetes and a Slurm as `benchmarks.through_bridge` needs them: what a bridge is told of each, and the same jobs by hand."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from clusters.kubernetes.connection import Connection, KubernetesError
from clusters.kubernetes.watched import pages
from executors.engine import Workload
from executors.kubernetes.engine import KubernetesEngine
from executors.kubernetes.manifest import Site, manifests
from executors.kubernetes.options import Options
from executors.slurm.engine import ASKS_AT_ONCE
from jobs.attempts.claims import PlacementSpec
from tests.clusters.slurm.slurm_cluster import RELEASES, slurm_cluster
from tests.deploy.api_server import api_server
from tests.executors.kubernetes.kubelet import Kubelet
from tests.executors.slurm.workloads import PATH

NODES = 4
LOOK_SECONDS = 0.01
IMAGE = "python:3"
JOBS, PODS = "/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/pods"


class BareCluster(Protocol):
    """One that runs. `submit_all` is asked in a process of its own, which finds the cluster by its `address`."""

    kind: ClassVar[str]
    starts_at_once: ClassVar[int]
    words: Sequence[str]
    """Of the bridge's command line, beside the options."""
    options: Mapping[str, str]
    environment: Mapping[str, str]

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]: ...
    @classmethod
    def at(cls, address: Mapping[str, str]) -> Self: ...
    def address(self) -> Mapping[str, str]: ...
    def run_one(self) -> float:
        """Seconds from the request to the moment at which the end of a no-op is known."""

    @contextmanager
    def counting(self) -> Iterator[list[float]]:
        """The moments at which the cluster took jobs of the bridge meanwhile; complete when it is left."""

    def submit_all(self, count: int, at_once: int) -> Mapping[str, float]:
        """Seconds until all were `taken`, and until all have `ended`."""


class BareKubernetes:
    """Of one namespace; by hand it is the same Job that the bridge asks for, under another name."""

    kind = "kubernetes"
    starts_at_once = KubernetesEngine.asks_at_once
    words = ("--image", IMAGE)

    def __init__(self, kubeconfig: str) -> None:
        self.options = {"kubeconfig": kubeconfig}
        self.environment: Mapping[str, str] = {}
        self._connection = Connection(kubeconfig=kubeconfig)
        self._number = 0

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        with tempfile.TemporaryDirectory() as folder, api_server(Path(folder), hurry=True) as server:
            server.start_scheduler()
            kubelet = Kubelet(server, Path(folder) / "kubelet", virtual=True)
            for number in range(NODES):
                kubelet.add_node(f"n{number}", cpus="400", memory="900Gi")
            try:
                yield cls(str(server.kubeconfig()))
            finally:
                kubelet.close()

    @classmethod
    def at(cls, address: Mapping[str, str]) -> Self:
        return cls(address["kubeconfig"])

    def address(self) -> Mapping[str, str]:
        return self.options

    def run_one(self) -> float:
        began = time.time()
        self._number += 1
        self._make(f"one-{self._number}")
        chosen = {"labelSelector": f"job-name=one-{self._number}"}
        while [one["status"]["phase"] for one in self._list(PODS, chosen)] != ["Succeeded"]:
            time.sleep(LOOK_SECONDS)
        return time.time() - began

    @contextmanager
    def counting(self) -> Iterator[list[float]]:
        moments: list[float] = []
        version = self._connection.ask("list", "GET", JOBS, query={"limit": 1})["metadata"]["resourceVersion"]
        threading.Thread(target=self._watch, args=(version, moments), daemon=True).start()
        yield moments

    def submit_all(self, count: int, at_once: int) -> Mapping[str, float]:
        prefix = f"many-{at_once}-{os.getpid()}"
        began = time.time()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda number: self._make(f"{prefix}-{number}"), range(count)))
        taken = time.time() - began
        while self._succeeded(prefix) < count:
            time.sleep(10 * LOOK_SECONDS)
        return {"taken": taken, "ended": time.time() - began}

    def _succeeded(self, prefix: str) -> int:
        chosen = {"fieldSelector": "status.phase=Succeeded"}
        return sum(one["metadata"]["name"].startswith(prefix) for one in self._list(PODS, chosen))

    def _watch(self, version: str, moments: list[float]) -> None:
        query = {"watch": "true", "resourceVersion": version, "labelSelector": "trainyard/cluster=bench-hill"}
        rest = b""
        with suppress(KubernetesError), self._connection.stream("watch", JOBS, query=query, silence=600) as answer:
            for piece in answer.stream(amt=None):
                *lines, rest = (rest + piece).split(b"\n")
                moments += [time.time() for line in lines if line.startswith(b'{"type":"ADDED"')]

    def _list(self, path: str, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
        return [one for page in pages(self._connection, path, **chosen) for one in page.get("items") or []]

    def _make(self, name: str) -> None:
        site = Site("nobody", Options(), "default", 30, indexed=False)
        job = manifests(_workload(name), site).jobs[0]
        body = {**job, "metadata": {**job["metadata"], "name": name}}
        self._connection.ask("make", "POST", JOBS, body=body)


class BareSlurm:
    """By hand it is `sbatch` of a script of two lines."""

    kind = "slurm"
    starts_at_once = ASKS_AT_ONCE
    words = ()

    def __init__(self, environment: Mapping[str, str], options: Mapping[str, str], token: str = "") -> None:
        self._slurm, self.options, self.environment = environment, options, {"EXECUTOR_SLURM_AUTH_TOKEN": token}

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        with slurm_cluster(RELEASES[0], nodes=8) as slurm:
            path = f"{slurm.installed / 'programs'}:{PATH}"
            options = {"partition": "main", "shared": str(slurm.shared), "url": slurm.url, "path": path}
            yield cls(slurm.environment, options, slurm.token(lifespan=7200))

    @classmethod
    def at(cls, address: Mapping[str, str]) -> Self:
        return cls({**os.environ, **address}, {})

    def address(self) -> Mapping[str, str]:
        return {name: self._slurm[name] for name in ("SLURM_CONF", "PATH")}

    def run_one(self) -> float:
        began = time.time()
        number = self._submit("one")
        while self._command("squeue", "-h", "-t", "all", "-j", number, "-o", "%T") != "COMPLETED":
            time.sleep(LOOK_SECONDS)
        return time.time() - began

    @contextmanager
    def counting(self) -> Iterator[list[float]]:
        """By the accounts, to the second: they are written a little later."""
        moments: list[float] = []
        began = datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S")
        yield moments
        time.sleep(5)
        lines = self._command("sacct", "-n", "-X", "-P", "-S", began, "-o", "jobname%60,submit").splitlines()
        named = [line.split("|") for line in lines if line.startswith("ty-")]
        moments += [datetime.fromisoformat(submitted).timestamp() for _, submitted in named]

    def submit_all(self, count: int, at_once: int) -> Mapping[str, float]:
        began = time.time()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda _: self._submit("many"), range(count)))
        taken = time.time() - began
        while self._command("squeue", "-h", "-n", "many", "-o", "%i"):
            time.sleep(10 * LOOK_SECONDS)
        return {"taken": taken, "ended": time.time() - began}

    def _submit(self, name: str) -> str:
        words = ("sbatch", "--parsable", "--mem=100", "-J", name, "-o", "/dev/null")
        return self._command(*words, text="#!/bin/sh\ntrue\n")

    def _command(self, *words: str, text: str = "") -> str:
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=True, env=dict(self._slurm))
        return done.stdout.strip()


def _workload(name: str) -> Workload:
    spec = PlacementSpec(
        placement_id=1, token=name, job_id=1, job_name="no-op", attempt_id=1, attempt=1, project="bench", command=("true",),
        working_dir="", env={}, cpus=1, memory_mb=256, gpu_indices=(), max_runtime_seconds=None, grace_seconds=5,
    )  # fmt: skip
    return Workload(f"ty-{name}", (spec,), (f"n{hash(name) % NODES}",), image=IMAGE)


CLUSTERS: dict[str, Any] = {one.kind: one for one in (BareKubernetes, BareSlurm)}
