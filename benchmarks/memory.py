"""Resident memory of the platform's processes, and of the shim that each running job has.

RSS counts a page that several processes share in each of them; PSS shares it out among them.
"""

from collections.abc import Sequence
from statistics import mean

import psutil

from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.figures import Figure
from benchmarks.reference import CONCURRENCY, Reference
from benchmarks.stack import Stack, wait_until

SLEEPERS = CONCURRENCY
SITE = ("control", "beat", "web", "flower")
MB = 10**6


def measure(stack: Stack, reference: Reference) -> list[Figure]:
    agent = next(iter(stack.agents.values()))
    others = [name for name in SITE if name in stack.processes]
    idle = resident("idle agent and its shim server", tree(agent), at_most=110, reference=reference.process)
    rest = [figure for name in others for figure in resident(f"idle {name}", tree(stack.processes[name]))]
    return [*idle, *rest, *shims(stack, agent)]


def shims(stack: Stack, agent: psutil.Process) -> list[Figure]:
    with bench_queue(stack) as line:
        with Client(stack) as client:
            job_ids = client.submit_batch(["sleep", "600"], SLEEPERS, queue=NAME)
        wait_until(lambda: len(shims_of(agent)) == SLEEPERS and all_run(line), 60, "the sleeping jobs to start")
        figures = resident("shim of a running job", shims_of(agent), at_most=12, mean_of=True)
        with Client(stack) as client:
            for job_id in job_ids:
                client.post(f"/api/v1/jobs/{job_id}/cancel", {})
        line.wait_until_over(60)
    return figures


def all_run(line: BenchQueue) -> bool:
    return bool(
        line.value("SELECT count(*) FROM jobs_job WHERE state = 'running' AND name LIKE 'sleep-%%'") == SLEEPERS
    )


def shims_of(agent: psutil.Process) -> list[psutil.Process]:
    """They are forked by the agent's only child."""
    return [shim for server in agent.children() for shim in server.children()]


def tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def resident(
    measure: str,
    processes: Sequence[psutil.Process],
    *,
    at_most: float | None = None,
    reference: psutil.Process | None = None,
    mean_of: bool = False,
) -> list[Figure]:
    """RSS and PSS, of all the processes together or their mean. The bar is for RSS."""
    figures = []
    for kind in ("rss", "pss"):
        each = [getattr(process.memory_full_info(), kind) / MB for process in processes]
        figures.append(
            Figure(
                f"{measure}, {kind.upper()}",
                mean(each) if mean_of else sum(each),
                "MB",
                (min(each), max(each)) if mean_of else None,
                at_most=at_most if kind == "rss" else None,
                reference=getattr(reference.memory_full_info(), kind) / MB if reference else None,
                note=f"{len(processes)} processes" if len(processes) > 1 else "",
            )
        )
    return figures
