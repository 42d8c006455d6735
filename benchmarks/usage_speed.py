"""How long it takes to derive what every project holds from the rows of what runs, and to audit those rows.

Run: python -m benchmarks.usage_speed [--running N] [--ended N] [--projects N]
It starts a PostgreSQL of its own with the settings of production, fills it, and prints milliseconds as JSON: the best of
several rounds by the clock, with the bare count of open placements as a reference. The exit code is 1 if derived usage takes longer than 5 ms.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.snapshot_speed import SHAPES, USERS, database, set_up

BAR_MS = 5.0
ROUNDS = 25
COUNT = "SELECT count(*) FROM jobs_placement WHERE closed_at IS NULL"
# Jobs that have run before, each with its attempt and its placement: what usage has to leave out.
ENDED = (
    """
    INSERT INTO jobs_attempt (job_id, number, token, created_at, started_at, ended_at, end_reason, message)
    SELECT job.id, number, gen_random_uuid(), now(), now(), now(), 'preempted', ''
    FROM jobs_job AS job, generate_series(1, %(each)s) AS number WHERE job.state = 'running'
    """,
    """
    INSERT INTO jobs_placement (attempt_id, node_id, rank, cpus, memory_mb, gpu_indices, state, created_at, published_at, publish_count, closed_at)
    SELECT id, (SELECT min(id) FROM workers_node), 0, 8, 0, '{0}', 'closed', now(), now(), 1, now()
    FROM jobs_attempt WHERE ended_at IS NOT NULL
    """,
    "VACUUM ANALYZE",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usage_speed", description=__doc__)
    for name, default in (("running", 1_000), ("ended", 50_000), ("projects", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    sizes = vars(parser.parse_args())
    with database() as url:
        set_up(url)
        fill(**sizes)
        found = measure()
    print(json.dumps({**sizes, **found}))
    return 1 if found["derived usage, ms"] > BAR_MS else 0


def fill(*, running: int, ended: int, projects: int) -> None:
    from django.db import connection  # noqa: PLC0415 - models can be imported once Django knows its settings
    from django.db.models import F  # noqa: PLC0415

    from benchmarks import seeded_rows  # noqa: PLC0415
    from jobs.models import Attempt, Job  # noqa: PLC0415

    nodes = running // seeded_rows.GPUS_A_NODE + 1
    seeded_rows.fill(0, running, nodes, shapes=SHAPES, users=USERS, teams=projects)
    Attempt.objects.update(number=F("number") + ended // running)
    # As their placements have it: else the audit finds mistakes.
    Job.objects.update(attempt=1 + ended // running, cpus=8, memory_mb=65_536, gpus=1)
    with connection.cursor() as cursor:
        for statement in ENDED:
            cursor.execute(statement, {"each": ended // running})


def best_ms(step: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter()
        step()
        return 1_000 * (time.perf_counter() - began)

    return round(min(once() for _ in range(ROUNDS)), 2)


def measure() -> dict[str, Any]:
    """Once before, so that plans and connections are there; then the best of a few."""
    from django.db import connection  # noqa: PLC0415 - as above

    from jobs.planning import job_rows  # noqa: PLC0415
    from jobs.recovery import quota_audit  # noqa: PLC0415
    from jobs.reports import quota_usage  # noqa: PLC0415
    from scheduling.sharing.quotas import usage_by_project, with_those_below  # noqa: PLC0415

    tree, jobs = quota_usage.tree_of_projects(), job_rows.running()

    def count() -> None:
        with connection.cursor() as cursor:
            cursor.execute(COUNT)
            cursor.fetchall()

    def derived() -> object:
        return with_those_below(quota_usage.held_by_each()[0], tree)

    if derived() != usage_by_project(jobs, tree) or quota_audit.everything_wrong():
        sys.exit("The sums differ: what was measured would mean nothing.")
    found = {
        "bare count, ms": best_ms(count),
        "derived usage, ms": best_ms(derived),
        "in a plan, of jobs in hand, ms": best_ms(lambda: usage_by_project(jobs, tree)),
        "audit of all books, ms": best_ms(quota_audit.everything_wrong),
    }
    connection.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
