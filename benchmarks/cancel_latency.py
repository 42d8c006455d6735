"""From the moment before the request to the last moment of the job's process, while others run beside it."""

import os
import select
import time

from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.figures import Figure, percentile
from benchmarks.reference import CONCURRENCY, Reference
from benchmarks.stack import Stack, wait_until

ROUNDS = 3
PAUSE_SECONDS = 0.07  # not a divisor of any period of the platform: its ticks fall anywhere
GONE_WITHIN_SECONDS = 60
SAYS_ITS_ID = ["sh", "-c", "echo $$; exec sleep 600"]
"""The shell is the job's process to the end: `exec` keeps its id."""
LOGS = """
    SELECT attempt.job_id, chunk.data FROM jobs_logchunk AS chunk JOIN jobs_attempt AS attempt ON attempt.id = chunk.attempt_id
    WHERE attempt.job_id = ANY(%s)
"""


def measure(stack: Stack, _reference: Reference) -> list[Figure]:
    """The jobs end at once when they are told: what is left is the platform's own time."""
    took: list[float] = []
    with bench_queue(stack) as line:
        for _ in range(ROUNDS):
            took += one_round(stack, line)
            line.wait_until_over(GONE_WITHIN_SECONDS)
    return [
        Figure(
            f"cancel to gone, p{share:.0%}".rstrip("%"),
            percentile(took, share),
            "ms",
            (min(took), max(took)),
            at_most=1000 if share == 0.95 else None,
            note=f"{CONCURRENCY} jobs run, one is cancelled after the other; {ROUNDS} times",
        )
        for share in (0.5, 0.95)
    ]


def one_round(stack: Stack, line: BenchQueue) -> list[float]:
    """Milliseconds for each of as many jobs as run at once."""
    with Client(stack) as client:
        jobs = client.submit_batch(SAYS_ITS_ID, CONCURRENCY, queue=NAME)
    wait_until(lambda: len(line.rows(LOGS, jobs)) == CONCURRENCY, GONE_WITHIN_SECONDS, "the jobs to run")
    return [cancel_one(stack, job_id, int(said)) for job_id, said in line.rows(LOGS, jobs)]


def cancel_one(stack: Stack, job_id: int, process_id: int) -> float:
    time.sleep(PAUSE_SECONDS)
    end = os.pidfd_open(process_id)  # readable from the process's last moment on
    try:
        with Client(stack) as client:
            began = time.monotonic()
            client.post(f"/api/v1/jobs/{job_id}/cancel", {})
            assert select.select([end], [], [], GONE_WITHIN_SECONDS)[0], f"job {job_id} is still there"
            return (time.monotonic() - began) * 1000
    finally:
        os.close(end)
