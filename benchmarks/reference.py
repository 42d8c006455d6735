"""The worker of `reference_app`, run as a process beside the platform, and measured as the platform is."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import redis

from benchmarks import reference_app
from benchmarks.stack import CHECKOUT, Stack, wait_until

CONCURRENCY = 20
"""Jobs, or tasks, at once: the CPUs that the private stack's node declares, and the threads of the plain worker."""
PARKED = "parked"


class Reference:
    """A plain Celery worker with a pool of threads, that runs."""

    def __init__(self, broker: "redis.Redis", process: psutil.Process) -> None:
        self._broker = broker
        self.process = process

    def rate(self, command: list[str], count: int) -> float:
        """Tasks a second, from the first `apply_async` to the end of the last subprocess."""
        self._broker.delete(reference_app.DONE)
        began = time.time()
        for _ in range(count):
            self.send(command)
        self.wait_until_done(count)
        ends = [float(moment) for moment in self._broker.lrange(reference_app.DONE, 0, -1)]
        return count / (max(ends) - began)

    def send(self, command: list[str]) -> None:
        reference_app.run.apply_async((command,))

    def park(self, command: list[str]) -> None:
        """Send a task where no worker takes it."""
        reference_app.run.apply_async((command,), queue=PARKED)

    def wait_until_done(self, count: int) -> None:
        wait_until(lambda: self._broker.llen(reference_app.DONE) >= count, 120, "the reference's tasks to end")


@contextmanager
def reference_beside(stack: Stack) -> Iterator[Reference]:
    """On the same broker, in another of its databases: nothing of it meets the platform's own messages."""
    url = urlsplit(stack.environment["BROKER_URL"])._replace(path="/15").geturl()
    reference_app.app.conf.update(broker_url=url)
    with redis.Redis.from_url(url) as broker, tempfile.TemporaryFile() as output:
        broker.flushdb()
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "benchmarks.reference_app", "worker",
             "--pool=threads", f"--concurrency={CONCURRENCY}", "--loglevel=WARNING"],
            cwd=CHECKOUT, env={**os.environ, "REFERENCE_BROKER_URL": url}, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            reference = Reference(broker, psutil.Process(process.pid))
            reference.rate(["true"], CONCURRENCY)  # it is up
            yield reference
        finally:
            process.terminate()
            process.wait(30)
            broker.flushdb()
