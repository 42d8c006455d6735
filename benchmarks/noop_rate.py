"""How many no-op jobs a second go all the way: planned, published, claimed, run as a process, reported, recorded."""

import statistics

from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.cpu import CpuMeter
from benchmarks.figures import Figure, of_repetitions
from benchmarks.reference import CONCURRENCY, Reference
from benchmarks.stack import Stack

JOBS = 500
WARM_UP = 50
REPETITIONS = 3
COMMAND = ["true"]


def measure(stack: Stack, reference: Reference) -> list[Figure]:
    cpu_ms: list[dict[str, float]] = []
    rates, plain = [], []
    with bench_queue(stack) as line:
        run(stack, line, WARM_UP)
        for _ in range(REPETITIONS):
            meter = CpuMeter(stack)
            rates.append(run(stack, line, JOBS))
            cpu_ms.append({name: round(seconds * 1000 / JOBS, 2) for name, seconds in meter.used().items()})
            plain.append(reference.rate(COMMAND, JOBS))
    return [
        of_repetitions(
            "no-op jobs end to end",
            rates,
            "jobs/s",
            at_least=70,
            reference=statistics.median(plain),
            note=f"{JOBS} jobs, {CONCURRENCY} at once",
            details={"reference": plain, "cpu_ms_a_job": cpu_ms},
        )
    ]


def run(stack: Stack, line: BenchQueue, count: int) -> float:
    """Jobs a second, from the opening of the queue to the end of the last of them."""
    line.pause()
    with Client(stack) as client:
        client.submit_batch(COMMAND, count, queue=NAME)
    opened_at = line.open()
    line.wait_until_over(120)
    ends = line.ends()
    line.empty()
    assert all(state == "completed" for state, _ in ends), ends
    return count / (max(moment for _, moment in ends) - opened_at)
