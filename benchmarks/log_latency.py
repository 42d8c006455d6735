"""From the moment when a job writes a line to the moment when those who follow its log have it, for one and for many."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator

from benchmarks.bench_queue import NAME, bench_queue
from benchmarks.client import Client
from benchmarks.figures import Figure, percentile
from benchmarks.reference import Reference
from benchmarks.stack import Stack

LINES = 100
PAUSE_SECONDS = 0.13  # not a divisor of any period of the platform
FOLLOWERS = 20  # what one web process of the local stack lets in, however they are shared out
SETTLE_SECONDS = 3.0  # the agent learns with its first chunk that somebody follows
SCRIPT = f"""
import time
time.sleep({SETTLE_SECONDS})
print("begin", flush=True)
time.sleep({SETTLE_SECONDS})
for _ in range({LINES}):
    print(time.time(), flush=True)
    time.sleep({PAUSE_SECONDS})
"""


def measure(stack: Stack, _reference: Reference) -> list[Figure]:
    figures = []
    with bench_queue(stack):
        for followers in (1, FOLLOWERS):
            late = [ms for one in follow_one(stack, followers) for ms in one]
            figures += [
                Figure(
                    f"log line to {followers} follower{'s' if followers > 1 else ''}, p{share:.0%}".rstrip("%"),
                    percentile(late, share),
                    "ms",
                    (min(late), max(late)),
                    at_most=1000 if share == 0.95 else None,
                    note=f"{LINES} lines",
                )
                for share in (0.5, 0.95)
            ]
    return figures


def follow_one(stack: Stack, followers: int) -> list[list[float]]:
    """For each follower of one job, by how many milliseconds each line was late."""
    with Client(stack) as client:
        job_id = client.submit([sys.executable, "-c", SCRIPT], queue=NAME)
    late: list[list[float]] = [[] for _ in range(followers)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(lateness(stack, job_id))) for mine in late]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(one) == LINES for one in late), "a follower missed lines"
    return late


def lateness(stack: Stack, job_id: int) -> Iterator[float]:
    rest = ""
    for text in pieces(stack, job_id):
        now = time.time()
        *lines, rest = (rest + text).split("\n")
        yield from ((now - float(line)) * 1000 for line in lines if line != "begin")


def pieces(stack: Stack, job_id: int) -> Iterator[str]:
    """The text of each event, as it comes, until the log ends."""
    connection = http.client.HTTPConnection(*stack.web, timeout=120)
    headers = {"Authorization": f"Bearer {stack.credentials['token']}", "Accept": "text/event-stream"}
    connection.request("GET", f"/api/v1/jobs/{job_id}/logs?follow=1", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    for line in answer:
        if line.startswith(b"event: end"):
            return
        if line.startswith(b"data: "):
            yield json.loads(line[6:])["text"]
