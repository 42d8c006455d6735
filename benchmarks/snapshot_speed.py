"""How long it takes to read the planner's picture of the platform from PostgreSQL: jobs, nodes, projects and the rest.

Run: python -m benchmarks.snapshot_speed [--waiting N] [--running N] [--nodes N]
It starts a PostgreSQL of its own with the settings of production, fills it, and prints the milliseconds as JSON.
"""

import argparse
import gc
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import psutil
from django.core.management import call_command

from benchmarks.figures import Figure
from benchmarks.stack import CHECKOUT, stop, wait_until
from local_stack.servers import ports
from local_stack.servers.postgres import PostgresServer

RUNS = 9
START_SECONDS = 60
AT_MOST_MS = 150.0
SHAPES = 40
USERS, TEAMS = 50, 20


def figures(waiting: int = 10_000, running: int = 1_000, nodes: int = 1_000) -> list[Figure]:
    """The mean of a few reads, in a process of its own: Django is set up once for each process."""
    sizes = ["--waiting", str(waiting), "--running", str(running), "--nodes", str(nodes)]
    command = [sys.executable, "-m", "benchmarks.snapshot_speed", *sizes]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    note = f"processor time, the server's too; {waiting:,} jobs wait, {running:,} run, {nodes:,} nodes of 8 GPUs"
    spent = round(found["cpu_ms"] + found["server_cpu_ms"], 1)
    return [Figure("snapshot from PostgreSQL", spent, "ms", at_most=AT_MOST_MS, note=note, details=found)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshot_speed", description=__doc__)
    for name, default in (("waiting", 10_000), ("running", 1_000), ("nodes", 1_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with database() as url:
        set_up(url)
        # Only now: models can be imported once Django knows its settings.
        from benchmarks import seeded_rows  # noqa: PLC0415

        seeded_rows.fill(options.waiting, options.running, options.nodes, shapes=SHAPES, users=USERS, teams=TEAMS)
        print(json.dumps(measure()))


@contextmanager
def database() -> Iterator[str]:
    """A server of its own in a temporary folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as folder:
        server = PostgresServer(Path(folder) / "postgres", ports.pick_free(), secrets.token_hex(8))
        server.prepare()
        process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(server.is_ready, START_SECONDS, "PostgreSQL to answer")
            yield server.url
        finally:
            stop(process)


def set_up(url: str) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "scheduler_site.settings",
        "TRAINYARD_SECRET_KEY": secrets.token_urlsafe(50),
    }
    django.setup()
    call_command("migrate", verbosity=0)


def measure() -> dict[str, Any]:
    """What was read, and the milliseconds of each run by the clock and on average of both processors at work."""
    from django.db import connection, transaction  # noqa: PLC0415 - as above

    from jobs.planning import gc_pause  # noqa: PLC0415
    from jobs.planning.snapshot import take_snapshot  # noqa: PLC0415

    take_snapshot()  # as in every cycle but the first after a start
    server = psutil.Process(backend(connection))
    wall, cpu, served = [], [], sum(server.cpu_times()[:2])
    for _ in range(RUNS):
        gc.collect()
        with gc_pause.paused(), transaction.atomic():  # as in a cycle
            began, worked = time.perf_counter(), time.thread_time()
            taken = take_snapshot()
            wall.append(round((time.perf_counter() - began) * 1000, 1))
            cpu.append(round((time.thread_time() - worked) * 1000, 1))
    served = (sum(server.cpu_times()[:2]) - served) * 1000 / RUNS
    connection.close()
    sizes = {name: len(getattr(taken, name)) for name in ("waiting", "running", "nodes", "projects", "usage")}
    requests = len({id(job.request) for job in taken.waiting})
    return {
        **sizes,
        "requests": requests,
        "wall_ms": wall,
        "cpu_ms": statistics.median(cpu),
        "server_cpu_ms": round(served, 1),
    }


def backend(connection: Any) -> int:
    """The process of PostgreSQL that serves this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
