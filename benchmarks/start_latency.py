"""From the moment before the request to the first moment of the job's process, on an idle platform, one at a time."""

import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.figures import Figure, percentile
from benchmarks.reference import Reference
from benchmarks.stack import Stack, wait_until

JOBS = 45
WARM_UP = 5
PAUSE_SECONDS = 0.07  # not a divisor of any period of the platform: its ticks fall anywhere
THE_TIME = "date +%s.%N"
LOG = """
    SELECT chunk.data FROM jobs_logchunk AS chunk JOIN jobs_attempt AS attempt ON attempt.id = chunk.attempt_id
    WHERE attempt.job_id = %s
"""
STEPS = ("request to submitted", "submitted to queued", "queued to claimed", "claimed to started", "started to process")
MOMENTS = """
    SELECT extract(epoch FROM job.created_at), extract(epoch FROM job.queued_at),
           extract(epoch FROM placement.claimed_at), extract(epoch FROM attempt.started_at)
    FROM jobs_job AS job JOIN jobs_attempt AS attempt ON attempt.job_id = job.id
    JOIN jobs_placement AS placement ON placement.attempt_id = attempt.id
    WHERE job.id = %s
"""


def measure(stack: Stack, reference: Reference) -> list[Figure]:
    with bench_queue(stack) as line, TemporaryDirectory() as folder:
        for _ in range(WARM_UP):
            start_one(stack, line)
        ways = [start_one(stack, line) for _ in range(JOBS)]
        plain = [start_reference(reference, Path(folder)) for _ in range(JOBS)]
    totals = [(way[-1] - way[0]) * 1000 for way in ways]
    spread = (min(totals), max(totals))
    steps = [[(after - before) * 1000 for before, after in pairwise(way)] for way in ways]
    medians = {name: round(median(step), 1) for name, step in zip(STEPS, zip(*steps, strict=True), strict=True)}
    return [
        Figure(
            f"submit to running process, p{share:.0%}".rstrip("%"),
            percentile(totals, share),
            "ms",
            spread,
            at_most=150 if share == 0.5 else None,
            reference=percentile(plain, share),
            note=f"{JOBS} jobs, idle",
            details={"median_ms_a_step": medians} if share == 0.5 else {},
        )
        for share in (0.5, 0.95)
    ]


def start_one(stack: Stack, line: BenchQueue) -> list[float]:
    """The moments of one job: request, submitted, queued, claimed, started, and its own process's first, by its log."""
    began = time.time()
    with Client(stack) as client:
        job_id = client.submit(["sh", "-c", f"exec {THE_TIME}"], queue=NAME)
    line.wait_until_over(30)
    wait_until(lambda: bool(line.rows(LOG, job_id)), 30, "the job's log")
    [moments], [(said,)] = line.rows(MOMENTS, job_id), line.rows(LOG, job_id)
    way = [began, *map(float, moments), float(said)]
    time.sleep(PAUSE_SECONDS)
    return way


def start_reference(reference: Reference, folder: Path) -> float:
    """Milliseconds from before `apply_async` to the subprocess of an idle plain worker."""
    file = folder / "started"
    began = time.time()
    reference.send(writes_the_time(file))
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"), 30, "the reference's task")
    took = (float(file.read_text()) - began) * 1000
    file.unlink()
    time.sleep(PAUSE_SECONDS)
    return took


def writes_the_time(file: Path) -> list[str]:
    return ["sh", "-c", f"exec {THE_TIME} >{file}"]
