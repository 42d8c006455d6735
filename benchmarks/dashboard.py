"""How long GET /dashboard takes over a million jobs that ended, beside the health endpoint of the same run.

Run: python -m benchmarks.dashboard [--finished N] [--waiting N] [--running N] [--nodes N] [--requests N]
It starts a PostgreSQL and a web server of its own, fills the database, asks as superuser and as a member of a few projects in
turn, and prints the median and 95th percentile of each in milliseconds as JSON, with the load of the machine; and the
processor time that a request takes of both servers, which hardly depends on what else the machine does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import psutil

from benchmarks.snapshot_speed import database, set_up
from benchmarks.stack import CHECKOUT, stop, wait_until
from local_stack.servers import ports, web
from local_stack.servers.roles import WEB_WORKER

CPU_REQUESTS = 100
TEAMS, OWN_TEAMS, USERS, SHAPES = 40, 5, 200, 40
# Without triggers, whose sums are made in one go after it.
FINISHED = """
    INSERT INTO jobs_job (
        name, project_id, queue_id, owner_id, priority, command, working_dir, env, labels, cpus, memory_mb, gpus, gpu_memory_mb,
        gpu_model, nodes, checkpointable, preemptible, max_retries, submission_key, state, desired, reasons, metrics, promised,
        predicted_by, attempt, retries_used, platform_retries_used, end_reason, message, created_at, queued_at, started_at,
        finished_at, held_by, held_reason
    )
    SELECT 'train ' || n, (SELECT min(id) FROM quotas_project) + 1 + n %% %(teams)s, (SELECT min(id) FROM jobs_queue) + n %% 3,
           (SELECT min(id) FROM auth_user) + n %% %(users)s, 50, '["python", "train.py"]', '', '{}', '{}', 8, 65536, 1, 0, '', 1, true,
           true, 0, '', CASE WHEN n %% 20 = 0 THEN 'failed' WHEN n %% 33 = 0 THEN 'cancelled' ELSE 'completed' END, '', '[]',
           '{"loss": 0.1}', false, '', 1, 0, 0, 'completed', '', came, came, came, came + interval '1 hour', '', ''
    FROM generate_series(1, %(count)s) AS n, LATERAL (SELECT now() - n * interval '5 s' - interval '1 hour' AS came) AS at
"""
SUMS = """
    INSERT INTO jobs_endedjobs (project, queue, state, jobs)
    SELECT project_id, queue_id, state, count(*) FROM jobs_job WHERE finished_at IS NOT NULL GROUP BY 1, 2, 3
"""
COSTS = """
    INSERT INTO jobs_daycost (project, day, cost)
    SELECT id, current_date - day, 1000 FROM quotas_project, generate_series(0, 365) AS day
"""
# As a cycle writes them: two of them, with numbers and holders that differ from shape to shape and team to team.
REASONS = """
    UPDATE jobs_job SET estimated_cost = 10, reasons = jsonb_build_array(
        jsonb_build_object('code', 'gpus', 'sentence', 'Waits for ' || gpus || ' GPUs of the 8,000 that there are.',
            'shortfall', jsonb_build_object('gpus', gpus), 'held_by', jsonb_build_array(cpus, cpus + 1, cpus + 2)),
        jsonb_build_object('code', 'quota', 'sentence', 'Project ' || project_id || ' holds all that it may.',
            'shortfall', jsonb_build_object('gpus', gpus), 'held_by', '[]'::jsonb))
    WHERE state = 'pending'
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    sizes = {"finished": 1_000_000, "waiting": 10_000, "running": 4_000, "nodes": 1_000, "requests": 200}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with database() as url:
        set_up(url)
        tokens = fill(options.finished, options.waiting, options.running, options.nodes)
        with server() as (address, process):
            found = measure(address, tokens, options.requests)
            spent = processor_time(address, tokens, [psutil.Process(process), *postgres_processes()])
            for name, milliseconds in spent.items():
                found[name]["cpu_ms"] = milliseconds
        load = [round(one, 1) for one in os.getloadavg()]
        print(json.dumps({**vars(options), "load": load, "cores": os.cpu_count(), **found}))


def fill(finished: int, waiting: int, running: int, nodes: int) -> dict[str, str]:
    """The tokens of a superuser and of a member of a few projects."""
    from django.contrib.auth.models import User  # noqa: PLC0415 - models can be imported once Django knows its settings
    from django.db import connection  # noqa: PLC0415
    from knox.models import AuthToken  # noqa: PLC0415

    from benchmarks import seeded_rows  # noqa: PLC0415
    from quotas.models import Membership, Project  # noqa: PLC0415

    seeded_rows.fill(waiting, running, nodes, shapes=SHAPES, users=USERS, teams=TEAMS)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(FINISHED, {"count": finished, "teams": TEAMS, "users": USERS})
        cursor.execute("SET session_replication_role = origin")
        for statement in (
            SUMS,
            COSTS,
            REASONS,
            "UPDATE workers_node SET last_heartbeat_at = now() + interval '1 hour'",
        ):
            cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE")
    boss = User.objects.create_superuser("boss")
    member = User.objects.create_user("member")
    for project in Project.objects.exclude(parent=None)[:OWN_TEAMS]:
        Membership.objects.create(project=project, user=member, role="member")
    tokens = {user.username: AuthToken.objects.create(user)[1] for user in (boss, member)}
    connection.close()
    return tokens


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    port = ports.pick_free()
    bounds = ("--workers", "2", "--threads", "8", "--log-level", "error", "--no-control-socket")
    words = (
        "-m",
        "gunicorn",
        "scheduler_site.wsgi",
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        WEB_WORKER,
        *bounds,
    )
    process = subprocess.Popen([sys.executable, *words], cwd=CHECKOUT)
    try:
        wait_until(lambda: web.answers(port), 60, "the site to answer")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        stop(process)


ASKED = {"healthz": "/healthz", "boss": "/api/v1/dashboard", "member": "/api/v1/dashboard"}


def postgres_processes() -> list[psutil.Process]:
    """The database's own, which this process has started."""
    return [one for one in psutil.Process().children() if "postgres" in one.name()]


def processor_time(address: str, tokens: dict[str, str], servers: Sequence[psutil.Process]) -> dict[str, float]:
    """Milliseconds a request, of the servers and their children, over as many as make the clock's ticks small."""

    def spent() -> float:
        # Of the servers also what their children had used that are gone by now: connections come and go.
        alive = [child for one in servers for child in one.children(recursive=True)]
        return sum(sum(one.cpu_times()[:4]) for one in servers) + sum(sum(one.cpu_times()[:2]) for one in alive)

    found = {}
    with httpx.Client(base_url=address, timeout=60) as client:
        for name, path in ASKED.items():
            headers = {"Authorization": f"Bearer {tokens[name]}"} if name in tokens else {}
            before = spent()
            for _ in range(CPU_REQUESTS):
                client.get(path, headers=headers)
            found[name] = round((spent() - before) * 1000 / CPU_REQUESTS, 1)
    return found


def measure(address: str, tokens: dict[str, str], requests: int) -> dict[str, dict[str, float]]:
    """In turn, so that whatever else the machine does meets all of them."""
    taken: dict[str, list[float]] = {name: [] for name in ASKED}
    with httpx.Client(base_url=address, timeout=60) as client:
        for number in range(requests + 10):
            for name, path in ASKED.items():
                headers = {"Authorization": f"Bearer {tokens[name]}"} if name in tokens else {}
                began = time.perf_counter()
                answer = client.get(path, headers=headers)
                if number >= 10:
                    taken[name].append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
    return {name: spread(times) for name, times in taken.items()}


def spread(times: list[float]) -> dict[str, float]:
    return {"median_ms": round(statistics.median(times), 1), "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1)}


if __name__ == "__main__":
    main()
