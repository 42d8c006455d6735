"""What the whole way through a bridge costs, REST to the end on record, beside the same by hand in the same cluster and run.

    python -m benchmarks.through_bridge kubernetes [--jobs 500] [--noops 20]
    python -m benchmarks.through_bridge slurm

A platform of its own, a real Kubernetes (`make kubernetes`, a scripted kubelet) or a real Slurm (`make slurm`, root), and a
real bridge. By hand means: a process that knows no platform and submits with the client that the bridge has too (for Slurm
`sbatch`), one after the other as a loop does, and as many at once as the bridge starts.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import django
import psutil

from benchmarks import report
from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.bridge_load import bridges_environment, knows_cluster
from benchmarks.client import Client
from benchmarks.figures import Figure
from benchmarks.stack import CHECKOUT, Stack, private, wait_until

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")
os.environ.setdefault("TRAINYARD_SECRET_KEY", "for-the-benchmark-only")
django.setup()

from benchmarks.bare_clusters import CLUSTERS, BareCluster  # noqa: E402

COMMAND = ["true"]
WARM_UP, SECONDS = 3, 120
ADDED_MS, SHARE = 150.0, 0.7
MOMENTS = """
    SELECT name, extract(epoch FROM min(moment)) - said.opened, extract(epoch FROM max(moment)) - said.opened FROM (
        SELECT 'planned' AS name, created_at AS moment FROM jobs_placement
        UNION ALL SELECT 'claimed', claimed_at FROM jobs_placement
        UNION ALL SELECT 'ended', finished_at FROM jobs_job
    ) AS steps, (SELECT %s::float AS opened) AS said GROUP BY name, said.opened ORDER BY max(moment)
"""
TWICE = "SELECT count(*) FROM jobs_attempt AS attempt JOIN jobs_job AS job ON job.id = attempt.job_id WHERE attempt.number > 1"


def measure(stack: Stack, cluster: BareCluster, *, jobs: int, noops: int, profile: str) -> list[Figure]:
    with bench_queue(stack) as line, bridge(stack, cluster, profile) as process:
        with Client(stack) as client:
            wait_until(lambda: knows_cluster(client), 40, "the cluster to register", pause=0.5)
            client.patch(f"/api/v1/queues/{NAME}", {"executor": cluster.kind})
        return [*one_by_one(stack, line, cluster, noops), *at_once(stack, line, cluster, jobs, process)]


def one_by_one(stack: Stack, line: BenchQueue, cluster: BareCluster, count: int) -> list[Figure]:
    """From the request to the end as each knows it, by turns."""
    ours, bare = [], []
    for turn in range(WARM_UP + count):
        found = through_bridge(stack, line), cluster.run_one()
        if turn >= WARM_UP:
            ours.append(1000 * found[0])
            bare.append(1000 * found[1])
    added = statistics.median(ours) - statistics.median(bare)
    spread = (min(ours) - statistics.median(bare), max(ours) - statistics.median(bare))
    words = f"{count} of each: {statistics.median(ours):.0f} ms by REST, {statistics.median(bare):.0f} ms by hand"
    return [Figure("a no-op's way is longer by, p50", added, "ms", spread, at_most=ADDED_MS, note=words)]


def through_bridge(stack: Stack, line: BenchQueue) -> float:
    began = time.time()
    with Client(stack) as client:
        job = client.submit(COMMAND, queue=NAME)
    ended = "SELECT extract(epoch FROM finished_at) FROM jobs_job WHERE id = %s"
    wait_until(lambda: line.value(ended, job) is not None, 60, "its end", pause=0.02)
    return float(line.value(ended, job)) - began


def at_once(stack: Stack, line: BenchQueue, cluster: BareCluster, count: int, process: psutil.Process) -> list[Figure]:
    """All that wait when their queue opens: until the cluster has taken the last, and until the last end is on record."""
    line.empty()
    line.pause()
    with Client(stack) as client:
        for first in range(0, count, 100):
            client.submit_batch(COMMAND, min(100, count - first), queue=NAME)
    used = process.cpu_times()
    with cluster.counting() as taken:
        opened_at = line.open()
        line.wait_until_over(SECONDS)
    now = process.cpu_times()
    mine = 1000 * (now.user + now.system - used.user - used.system) / count
    ends = line.ends()
    lost, again = sum(state != "completed" for state, _ in ends), line.value(TWICE)
    doubled = len(taken) - count
    ours, whole = count / (max(taken) - opened_at), count / (max(moment for _, moment in ends) - opened_at)
    figures = [
        Figure(f"lost of {count}", lost, "jobs", at_most=0),
        Figure(f"doubled of {count}", doubled + again, "jobs", at_most=0),
        Figure("processor of the bridge a job", mine, "ms"),
    ]
    steps = line.rows(MOMENTS, opened_at)
    told = ", ".join(f"{name} {first:.1f} - {last:.1f}" for name, first, last in steps)
    print(
        f"seconds after the queue opened: {told}, taken {min(taken) - opened_at:.1f} - {max(taken) - opened_at:.1f}",
        flush=True,
    )
    loop, beside, ended = bare(cluster, count)
    for words, rate in (("one after the other", loop), ("as many at once as the bridge", beside)):
        name = f"taken by the cluster, of a loop {words}"
        figures.append(
            Figure(name, ours, "1/s", reference=rate, note=f"ratio at least {SHARE}: {ours / rate >= SHARE}")
        )
    figures.append(
        Figure("through to the end on record", whole, "1/s", reference=ended, note="by hand: at once, to the end")
    )
    return figures


def bare(cluster: BareCluster, count: int) -> tuple[float, float, float]:
    """Submissions a second of a loop, and of several threads; ends a second of the latter."""
    found = []
    for at_once in (1, cluster.starts_at_once):
        program = [
            sys.executable,
            "-m",
            "benchmarks.through_bridge",
            cluster.kind,
            "--bare",
            json.dumps(cluster.address()),
        ]
        words = [*program, "--jobs", str(count), "--at-once", str(at_once)]
        done = subprocess.run(words, check=True, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS)
        found.append(json.loads(done.stdout))
    return count / found[0]["taken"], count / found[1]["taken"], count / found[1]["ended"]


@contextmanager
def bridge(stack: Stack, cluster: BareCluster, profile: str) -> Iterator[psutil.Process]:
    words = [word for name, value in cluster.options.items() for word in ("--set", f"{name}={value}")]
    measured = ["-m", "cProfile", "-o", profile] if profile else []
    command = [
        sys.executable,
        *measured,
        "manage.py",
        "bridge",
        "bench-hill",
        "--kind",
        cluster.kind,
        *cluster.words,
        *words,
    ]
    environment = {**bridges_environment(stack), **cluster.environment}
    with (stack.home / "bridge.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    except TimeoutError:
        print((stack.home / "bridge.log").read_text(errors="replace")[-3000:], file=sys.stderr)
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=CLUSTERS)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--noops", type=int, default=20)
    parser.add_argument("--profile", default="", help="a file for cProfile's figures of the bridge's main thread")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    parser.add_argument("--at-once", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare_cluster = CLUSTERS[options.kind].at(json.loads(options.bare))
        print(json.dumps(bare_cluster.submit_all(options.jobs, options.at_once)))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with CLUSTERS[options.kind].started() as cluster, private(cpus=1) as stack:
        figures = measure(stack, cluster, jobs=options.jobs, noops=options.noops, profile=options.profile)
    report.show(figures, report.facts(), written=False)


if __name__ == "__main__":
    main()
