"""Many running jobs on few cores: whether heartbeats and leases stay in time, and what watching over the jobs costs.

python -m benchmarks.supervise_many --agents 10 --jobs 1000 --seconds 120

Real agents and real shims on a stack of its own. The jobs sleep: what is measured is the platform alone. Each shim takes
about 1 MB of its own, each agent about 100 MB.
"""

import argparse
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import LiteralString

import psutil

from benchmarks import report
from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.cpu import CpuMeter
from benchmarks.figures import Figure, percentile
from benchmarks.stack import Stack, private, wait_until

HEARTBEAT_SECONDS = 10
LEASE_SECONDS = 30
LOOK_SECONDS = 0.25
BATCH = 100
SPARE_CONNECTIONS = 10
START_SECONDS = 600
BEATS: LiteralString = "SELECT name, extract(epoch FROM last_heartbeat_at) FROM workers_node"
RUNNING: LiteralString = "SELECT count(*) FROM jobs_job WHERE state = 'running'"
SHORTEST_LEASE: LiteralString = """
    SELECT extract(epoch FROM min(lease_expires_at) - statement_timestamp()) FROM jobs_placement
    WHERE closed_at IS NULL AND state = 'running'
"""
CONNECTIONS: LiteralString = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass
class Samples:
    """What was seen of the platform while all jobs ran."""

    beats: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    leases: list[float] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)

    def add(self, line: BenchQueue) -> None:
        for name, moment in line.rows(BEATS):
            seen = self.beats[name]
            if not seen or seen[-1] != float(moment):
                seen.append(float(moment))
        self.leases.append(float(line.value(SHORTEST_LEASE) or 0))
        self.connections.append(int(line.value(CONNECTIONS)))
        self.running.append(int(line.value(RUNNING)))

    @property
    def lateness(self) -> list[float]:
        """By how much each heartbeat came later than one period after the one before; in seconds."""
        return [
            max(0.0, later - earlier - HEARTBEAT_SECONDS)
            for moments in self.beats.values()
            for earlier, later in pairwise(moments)
        ]


def measure(stack: Stack, *, agents: int, jobs: int, seconds: float) -> list[Figure]:
    with bench_queue(stack) as line:
        began = time.monotonic()
        job_ids = start(stack, line, jobs)
        started_in = time.monotonic() - began
        meter, shims = CpuMeter(stack), ShimMeter(stack)
        samples = sample(line, seconds)
        used, used_by_shims = meter.used(), shims.used()
        began = time.monotonic()
        with Client(stack) as client:
            for job_id in job_ids:
                client.post(f"/api/v1/jobs/{job_id}/cancel", {})
        line.wait_until_over(START_SECONDS)
        ended_in = time.monotonic() - began
    figures = figures_of(samples, agents=agents, jobs=jobs)
    processors = {**used, "shims": used_by_shims}
    shares = [
        Figure(f"processor time of {name}", 100 * used / seconds, "% of a core")
        for name, used in sorted(processors.items())
    ]
    return [*figures, *shares, Figure("all started in", started_in, "s"), Figure("all cancelled in", ended_in, "s")]


def start(stack: Stack, line: BenchQueue, jobs: int) -> list[int]:
    with Client(stack) as client:
        job_ids = []
        for number in range(0, jobs, BATCH):
            job_ids += client.submit_batch(["sleep", "86400"], min(BATCH, jobs - number), queue=NAME)
    wait_until(lambda: line.value(RUNNING) == jobs, START_SECONDS, f"{jobs} jobs to run", pause=1)
    return job_ids


def sample(line: BenchQueue, seconds: float) -> Samples:
    samples = Samples()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        samples.add(line)
        time.sleep(LOOK_SECONDS)
    return samples


def figures_of(samples: Samples, *, agents: int, jobs: int) -> list[Figure]:
    late = samples.lateness
    count = f"{len(late)} heartbeats of {agents} agents"
    return [
        Figure("jobs that ran all the time", min(samples.running), "jobs", at_least=jobs),
        Figure("heartbeat late by, p95", percentile(late, 0.95), "s", (min(late), max(late)), at_most=2, note=count),
        Figure("heartbeat late by, most", max(late), "s", at_most=HEARTBEAT_SECONDS, note=count),
        Figure("shortest lease that was left", min(samples.leases), "s", at_least=LEASE_SECONDS / 3),
        Figure(
            "database connections, most",
            max(samples.connections),
            "",
            (min(samples.connections), max(samples.connections)),
            at_most=agents + SPARE_CONNECTIONS,
        ),
    ]


class ShimMeter:
    """Processor time of all shims, from its making on."""

    def __init__(self, stack: Stack) -> None:
        servers = [server for agent in stack.agents.values() for server in agent.children()]
        self._shims = [shim for server in servers for shim in server.children()]
        self._before = self._total()

    def used(self) -> float:
        return self._total() - self._before

    def _total(self) -> float:
        return sum(times.user + times.system for times in map(psutil.Process.cpu_times, self._shims))


def read_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.supervise_many", description=__doc__)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120, help="how long all of them are watched")
    return parser.parse_args(words)


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    machine = report.facts()
    with private(cpus=-(-options.jobs // options.agents), nodes=options.agents) as stack:
        figures = measure(stack, agents=options.agents, jobs=options.jobs, seconds=options.seconds)
    report.show(figures, machine, written=False)


if __name__ == "__main__":
    main()
