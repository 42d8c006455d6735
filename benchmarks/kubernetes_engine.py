"""What the engine costs over the bare API of Kubernetes: a no-op's start and end, and 500 starts at once, beside the same by hand.

    python -m benchmarks.kubernetes_engine [--jobs 500] [--noops 20]

A real API server, controllers and scheduler (`make kubernetes`); a scripted kubelet, of which each command ends at once. Both ways are
taken in turns in the same run, with the same client.
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")
django.setup()

from clusters.kubernetes.connection import Connection  # noqa: E402
from executors.engine import Phase, Workload  # noqa: E402
from executors.kubernetes.engine import connect  # noqa: E402
from executors.kubernetes.manifest import Site, manifests  # noqa: E402
from executors.kubernetes.options import Options  # noqa: E402
from jobs.attempts.claims import PlacementSpec  # noqa: E402
from tests.deploy.api_server import api_server  # noqa: E402
from tests.executors.kubernetes.kubelet import Kubelet  # noqa: E402

LEAST_MS, LEAST_RATIO = 150.0, 0.7
NODES, CHUNK = 4, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--noops", type=int, default=20)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, api_server(Path(folder)) as server:
        server.start_scheduler()
        kubelet = Kubelet(server, Path(folder) / "kubelet", virtual=True)
        for number in range(NODES):
            kubelet.add_node(f"n{number}", cpus="400", memory="900Gi")
        connection = Connection(kubeconfig=str(server.kubeconfig()))
        engine = connect("bench", {"kubeconfig": str(server.kubeconfig())})
        engine.observe()
        noops(engine, connection, wanted.noops)
        # Controllers that make pods of the first half would take the second half's processors.
        os.kill(server.controllers.pid, signal.SIGSTOP)
        burst(engine, connection, wanted.jobs)
        engine.close()
        kubelet.close()


def noops(engine, connection, count: int) -> None:
    """From the start to the end as each of them sees it, in turns."""
    ours, bare = [], []
    for number in range(count):
        began = time.perf_counter()
        engine.start(workload(number))
        while engine.observe()[workload(number).name].phase is not Phase.ENDED:
            engine.wait(1)
        ours.append(time.perf_counter() - began)
        engine.forget(workload(number).name)
        began = time.perf_counter()
        create(connection, f"bare-{number}")
        chosen = {"labelSelector": f"job-name=bare-{number}"}
        while [one["status"]["phase"] for one in connection.ask("look", "GET", PODS, query=chosen)["items"]] != [
            "Succeeded"
        ]:
            time.sleep(0.01)
        bare.append(time.perf_counter() - began)
    mine, theirs = (statistics.median(found) * 1000 for found in (ours, bare))
    print(f"no-op, start to end, p50 of {count}: {mine:.0f} ms by the engine, {theirs:.0f} ms by a bare Job: "
          f"{mine - theirs:+.0f} ms (at most {LEAST_MS:+.0f})")  # fmt: skip


def burst(engine, connection, count: int) -> None:
    """So many starts of each way, as many at once as a bridge has the engine do; in turns, as the machine has other work too."""
    ways: dict[str, Callable[[int], object]] = {
        "by the engine": lambda number: engine.start(workload(number)),
        "the same Job, posted": lambda number: post(connection, same_job(number)),
        "the smallest Job, posted": lambda number: create(connection, f"burst-{number}"),
    }
    seconds = dict.fromkeys(ways, 0.0)
    with ThreadPoolExecutor(engine.asks_at_once) as pool:
        for first in range(0, count, CHUNK):
            for way, start in ways.items():
                began = time.perf_counter()
                list(pool.map(start, range(10_000 + first, 10_000 + min(first + CHUNK, count))))
                seconds[way] += time.perf_counter() - began
    for way, took in seconds.items():
        print(f"{count} starts, {engine.asks_at_once} at once, {way}: {count / took:.0f}/s")
    for way in list(ways)[1:]:
        print(f"ratio of the engine to {way}: {seconds[way] / seconds['by the engine']:.2f} (at least {LEAST_RATIO})")


def same_job(number: int) -> dict[str, Any]:
    """What the engine asks for, under another name and nobody's watch."""
    site = Site("nobody", Options(), "default", 30, indexed=False)
    job = manifests(workload(number), site).jobs[0]
    return {**job, "metadata": {**job["metadata"], "name": f"same-{number}"}}


JOBS, PODS = "/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/pods"


def create(connection, name: str) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "python:3", "command": ["true"],
           "resources": {"requests": {"cpu": "1", "memory": "256Mi"}}}]}  # fmt: skip
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    post(connection, body)


def post(connection, body: dict[str, Any]) -> None:
    connection.ask("make", "POST", JOBS, body=body)


def workload(number: int) -> Workload:
    spec = PlacementSpec(
        placement_id=number, token=f"t-{number}", job_id=number, job_name="no-op", attempt_id=number, attempt=1,
        project="bench", command=("true",), working_dir="", env={}, cpus=1, memory_mb=256, gpu_indices=(),
        max_runtime_seconds=None, grace_seconds=5,
    )  # fmt: skip
    return Workload(f"ty-{number}-1-bench", (spec,), (f"n{number % NODES}",), image="python:3")


if __name__ == "__main__":
    main()
