"""What a bridge costs: while a thousand jobs run in its cluster, and how fast it hands five hundred over at once.

python -m benchmarks.bridge_load --jobs 1000 --at-once 500 --seconds 60

A cluster of this machine's processes, the one of the tests, on a stack of its own. The rate is held against a bare loop of
the same engine's starts into another such cluster, made right after it.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import psutil

from benchmarks import report
from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.figures import Figure
from benchmarks.stack import CHECKOUT, Stack, private, wait_until

CLUSTER = "pond"
ENGINE = "process=tests.executors.bridge.process_engine.connect"
ROOM = {"name": "n1", "cpus": 4000, "memory_mb": 4_000_000}
START_SECONDS = 900
MB = 2**20
BATCH = 100
COMMAND = ["sleep", "3600"]


def measure(stack: Stack, *, jobs: int, at_once: int, seconds: float) -> list[Figure]:
    with bench_queue(stack) as line, cluster(stack, CLUSTER) as folder, bridge(stack, folder) as process:
        with Client(stack) as client:
            wait_until(lambda: knows_cluster(client), START_SECONDS, "the cluster to register", pause=0.5)
            client.patch(f"/api/v1/queues/{NAME}", {"executor": CLUSTER})
        line.pause()
        submit(stack, at_once)
        line.open()
        wait_for_running(line, at_once)
        handed_over = rate_of(folder)
        bare = bare_rate(stack, at_once)
        submit(stack, jobs - at_once)
        wait_for_running(line, jobs)
        share, megabytes = watched(process, seconds)
    return [
        Figure(f"CPU of the bridge, {jobs} jobs run", share, "% of a core", at_most=25),
        Figure(f"memory of the bridge, {jobs} jobs run", megabytes, "MB", at_most=150),
        Figure(f"jobs handed over, {at_once} at once", handed_over, "1/s", reference=bare),
    ]


def knows_cluster(client: Client) -> bool:
    return any(one["state"] == "reached" for one in client.get("/api/v1/clusters")["results"])


def submit(stack: Stack, count: int) -> None:
    with Client(stack) as client:
        for _ in range(0, count, BATCH):
            client.submit_batch(COMMAND, min(BATCH, count), queue=NAME)


def wait_for_running(line: BenchQueue, count: int) -> None:
    running = "SELECT count(*) FROM jobs_job WHERE state = 'running'"
    wait_until(lambda: line.value(running) >= count, START_SECONDS, f"{count} jobs to run", pause=0.2)


def watched(process: psutil.Process, seconds: float) -> tuple[float, float]:
    """Its share of a core, and the memory that is its alone, once what starting them left to do is done."""
    time.sleep(min(20.0, seconds))
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100 * used / seconds, process.memory_info().rss / MB


def rate_of(folder: Path) -> float:
    """By when each workload was asked for."""
    moments = sorted(path.stat().st_mtime for path in (folder / "wanted").glob("[!.]*.json"))
    return (len(moments) - 1) / max(moments[-1] - moments[0], 1e-6)


def bare_rate(stack: Stack, count: int) -> float:
    """Of the same engine, without a platform, in a process of its own."""
    with cluster(stack, "bare") as folder:
        program = [sys.executable, "-m", "benchmarks.bridge_load", "--bare", str(folder), "--at-once", str(count)]
        subprocess.run(program, check=True, cwd=CHECKOUT, env={**os.environ, **stack.environment})
        return rate_of(folder)


def start_bare(folder: Path, count: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")
    django.setup()
    # Only now can be loaded what knows rows.
    from executors.engine import Workload  # noqa: PLC0415
    from jobs.attempts.claims import PlacementSpec  # noqa: PLC0415
    from tests.executors.bridge.process_engine import ProcessEngine  # noqa: PLC0415

    engine = ProcessEngine(folder)
    for number in range(count):
        spec = PlacementSpec(
            number, "token", number, "bare", number, 1, "default", tuple(COMMAND), "", {}, 1, 0, (), None
        )  # fmt: skip
        engine.start(Workload(f"bare-{number}", (spec,), ("n1",)))


@contextmanager
def cluster(stack: Stack, name: str) -> Iterator[Path]:
    """One without jobs; what it runs ends with it."""
    folder = stack.home / "process-clusters" / name
    program = f"from tests.executors.bridge.process_cluster import *; lay_out(Path({str(folder)!r}), [{ROOM!r}])"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=CHECKOUT)
    command = [sys.executable, "-m", "tests.executors.bridge.process_cluster", str(folder)]
    process = subprocess.Popen(command, cwd=CHECKOUT)
    try:
        yield folder
    finally:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()


def bridges_environment(stack: Stack) -> dict[str, str]:
    """As the unit files have it: what an agent needs, without what is the site's alone."""
    known = {**os.environ, **stack.environment, "TRAINYARD_ROLE": "node"}
    return {name: value for name, value in known.items() if not name.startswith("TRAINYARD_SECRETS_KEYS")}


@contextmanager
def bridge(stack: Stack, folder: Path) -> Iterator[psutil.Process]:
    command = [sys.executable, "manage.py", "bridge", CLUSTER, "--kind", "process", "--set", f"folder={folder}"]
    environment = {**bridges_environment(stack), "TRAINYARD_ENGINES": ENGINE}
    with (stack.home / "bridge.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        start_bare(options.bare, options.at_once)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with private(cpus=1) as stack:
        figures = measure(stack, jobs=options.jobs, at_once=options.at_once, seconds=options.seconds)
    report.show(figures, report.facts())


if __name__ == "__main__":
    main()
