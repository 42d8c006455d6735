"""How long it takes to sum up the hours of a month of jobs, and to report on them, before and after.

Run: python -m benchmarks.usage_report [--jobs N]
It starts a PostgreSQL of its own with the settings of production, fills it, and prints seconds and milliseconds as JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.cost_report import median_ms
from benchmarks.snapshot_speed import database, set_up

PROJECTS, USERS, NODES = 40, 200, 100
SINCE = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 30
# Jobs that came, one after another, over the month, waited ten minutes and ran for up to six hours.
FILL = (
    "INSERT INTO quotas_project (slug, name, weight, archived) SELECT 'p' || n, '', 1, false FROM generate_series(1, %(projects)s) AS n",
    """
    INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined)
    SELECT 'u' || n, '', false, false, true, '', '', '', now() FROM generate_series(1, %(users)s) AS n
    """,
    """
    INSERT INTO workers_node (name, hostname, state, drain_reason, cordoned, cpus, memory_mb, gpus, load, labels, version)
    SELECT 'n' || n, '', 'up', '', false, 64, 500000,
           (SELECT jsonb_agg(jsonb_build_object('index', i, 'model', 'NVIDIA H100')) FROM generate_series(0, 7) AS i), '{}', '{}', ''
    FROM generate_series(1, %(nodes)s) AS n
    """,
    """
    INSERT INTO jobs_job (
        name, project_id, queue_id, owner_id, priority, command, working_dir, env, labels, cpus, memory_mb, gpus, gpu_memory_mb,
        gpu_model, nodes, checkpointable, preemptible, max_retries, submission_key, state, desired, reasons, metrics, promised,
        predicted_by, attempt, retries_used, platform_retries_used, end_reason, message, created_at, queued_at, started_at, finished_at,
        held_by, held_reason
    )
    SELECT 'job', (SELECT min(id) FROM quotas_project) + n %% %(projects)s, (SELECT min(id) FROM jobs_queue),
           (SELECT min(id) FROM auth_user) + n %% %(users)s, 50, '["true"]', '', '{}', jsonb_build_object('study', n %% 10), 8, 0, 1, 0,
           '', 1, false, true, 0, '', 'completed', '', '[]', '{}', false, '', 1, 0, 0, 'completed', '',
           came, came + interval '10 min', came + interval '10 min', came + interval '10 min' + n %% 360 * interval '1 min', '', ''
    FROM generate_series(1, %(jobs)s) AS n, LATERAL (SELECT %(since)s::timestamptz + n * (interval '%(days)s days' / %(jobs)s) AS came) AS at
    """,
    """
    INSERT INTO jobs_attempt (job_id, number, token, created_at, started_at, ended_at, end_reason, message, cpu_seconds)
    SELECT id, 1, gen_random_uuid(), queued_at, started_at, finished_at, 'completed', '', 60 FROM jobs_job
    """,
    """
    INSERT INTO jobs_placement (attempt_id, node_id, rank, cpus, memory_mb, gpu_indices, state, created_at, publish_count, closed_at)
    SELECT id, (SELECT min(id) FROM workers_node) + id %% %(nodes)s, 0, 8, 0, '{0}', 'closed', created_at, 1, ended_at FROM jobs_attempt
    """,
    """
    INSERT INTO jobs_jobevent (job_id, at, kind, from_state, to_state, attempt, actor, message, data)
    SELECT id, at, kind, '', said.state, 1, '', '', '{}' FROM jobs_job, LATERAL (VALUES
        (1, 'submitted', 'pending', created_at), (2, 'queued', 'queued', queued_at), (3, 'claimed', 'assigned', queued_at),
        (4, 'started', 'running', started_at), (5, 'completed', 'completed', finished_at)
    ) AS said (place, kind, state, at) ORDER BY id, place
    """,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usage_report", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    count = parser.parse_args().jobs
    with database() as url:
        set_up(url)
        fill(count)
        print(json.dumps({"jobs": count, **measure()}))


def fill(count: int) -> None:
    from django.db import connection  # noqa: PLC0415 - models can be imported once Django knows its settings

    sizes: dict[str, Any] = {
        "projects": PROJECTS,
        "users": USERS,
        "nodes": NODES,
        "jobs": count,
        "since": SINCE,
        "days": DAYS,
    }
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, sizes)
        cursor.execute("VACUUM ANALYZE")


def measure() -> dict[str, Any]:
    """Seconds of the roll-up, and milliseconds of each report, the median of a few."""
    from django.db import connection  # noqa: PLC0415 - as above

    from jobs.models import UsageHour  # noqa: PLC0415
    from jobs.usage import fairness, report, rollup  # noqa: PLC0415

    until = SINCE + timedelta(days=DAYS)

    def of(group_by: str, period: str | None = None) -> Callable[[], object]:
        spans = report.periods(period, UTC, SINCE, until)
        return lambda: report.report(report.Scope(), spans, group_by=group_by, limit=1_000)

    weeks = report.periods("week", UTC, SINCE, until)
    day = report.periods("hour", UTC, until - timedelta(days=1), until)
    fresh = lambda: report.report(report.Scope(), day, group_by="user", limit=1_000)  # noqa: E731 - beside the others
    found: dict[str, Any] = {"the last day by user and hour, worked out, ms": median_ms(fresh)}
    began = time.perf_counter()
    while rollup.rolled_up_until() is None or rollup.rolled_up_until() < until:
        rollup.roll_up()
    found |= {"roll-up, s": round(time.perf_counter() - began, 1), "rows": UsageHour.objects.count()}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE jobs_usagehour")
    asked = {
        "by project, ms": of("project"),
        "by user and day, ms": of("user", "day"),
        "by label and week, ms": of("label:study", "week"),
        "the last day by user and hour, ms": fresh,
        "fairness by week, ms": lambda: fairness.statement(weeks, group_by="project", seen=None),
    }
    found |= {name: median_ms(step) for name, step in asked.items()}
    connection.close()
    return found


if __name__ == "__main__":
    main()
