"""What the engine costs over the bare API of Kubernetes: a no-op's start and end, and 500 starts at once, beside the same by hand.

    python -m benchmarks.kubernetes_engine [--jobs 500] [--noops 20]

A real API server, controllers and scheduler (`make kubernetes`); a scripted kubelet, of which each command ends at once. Both ways are
taken in turns in the same run, with the same client.
"""

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")
django.setup()

from clusters.kubernetes.connection import Connection  # noqa: E402
from executors.engine import Phase, Workload  # noqa: E402
from executors.kubernetes.engine import connect  # noqa: E402
from jobs.attempts.claims import PlacementSpec  # noqa: E402
from tests.deploy.api_server import api_server  # noqa: E402
from tests.executors.kubernetes.kubelet import Kubelet  # noqa: E402

LEAST_MS, LEAST_RATIO = 150.0, 0.7
NODES = 4


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
        while not connection.ask("look", "GET", f"{JOBS}/bare-{number}").get("status", {}).get("succeeded"):
            time.sleep(0.02)
        bare.append(time.perf_counter() - began)
    mine, theirs = (statistics.median(found) * 1000 for found in (ours, bare))
    print(f"no-op, start to end, p50 of {count}: {mine:.0f} ms by the engine, {theirs:.0f} ms by a bare Job: "
          f"{mine - theirs:+.0f} ms (at most {LEAST_MS:+.0f})")  # fmt: skip


def burst(engine, connection, count: int) -> None:
    """So many starts, as many at once as a bridge has the engine do, and the same number of bare Jobs; the better of two each."""
    rates: dict[str, list[float]] = {"bare": [], "engine": []}
    for turn in range(2):
        with ThreadPoolExecutor(engine.starts_at_once) as pool:
            for kind in ("bare", "engine"):
                first = 10_000 * (turn + 1)
                began = time.perf_counter()
                if kind == "engine":
                    list(pool.map(engine.start, [workload(first + number) for number in range(count)]))
                else:
                    list(
                        pool.map(
                            lambda name: create(connection, name),
                            [f"burst-{first + number}" for number in range(count)],
                        )
                    )
                rates[kind].append(count / (time.perf_counter() - began))
                settle(connection)
    mine, theirs = max(rates["engine"]), max(rates["bare"])
    print(
        f"{count} starts at once: {mine:.0f}/s by the engine, {theirs:.0f}/s bare: ratio {mine / theirs:.2f} (at least {LEAST_RATIO})"
    )


def settle(connection) -> None:
    """Until nothing runs any more: then the next one finds the same quiet server."""
    while any(
        not one.get("status", {}).get("succeeded")
        for one in connection.ask("list", "GET", JOBS, query={"limit": 5000})["items"]
    ):
        time.sleep(0.5)
    connection.ask("clear", "DELETE", JOBS, body={"propagationPolicy": "Background"})
    while connection.ask("list", "GET", PODS, query={"limit": 1})["items"]:
        time.sleep(0.5)


JOBS, PODS = "/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/pods"


def create(connection, name: str) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "python:3", "command": ["true"],
           "resources": {"requests": {"cpu": "1", "memory": "256Mi"}}}]}  # fmt: skip
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
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
