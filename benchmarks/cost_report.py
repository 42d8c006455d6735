"""How long a monthly report of costs takes over a ledger of a million placements, beside the least that PostgreSQL can do.

Run: python -m benchmarks.cost_report [--placements N]
It starts a PostgreSQL of its own with the settings of production, fills it, and prints the milliseconds as JSON.
"""

import argparse
import json
import statistics
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.snapshot_speed import database, set_up

RUNS = 5
LEDGER = "quotas_ledgertransaction"
PROJECTS, USERS, NODES, JOBS_A_BATCH = 40, 200, 100, 50
SINCE = datetime(2030, 5, 1, tzinfo=UTC)
UNTIL = datetime(2030, 6, 1, tzinfo=UTC)
# Everything in one month: the worst that a monthly report can meet. One placement in fifty was refunded.
FILL = """
    INSERT INTO quotas_ledgertransaction (
        kind, placement, at, cost, currency, reason, job, job_name, attempt, batch, labels, project, project_slug, user_name, node,
        holding, held_from, held_until
    )
    SELECT kind, number, %(since)s::timestamptz + number * (interval '30 days' / %(count)s),
           CASE kind WHEN 'hold' THEN 0 WHEN 'settle' THEN number %% 97 + 0.125 ELSE -(number %% 97 + 0.125) END,
           'EUR', '', number, 'train ' || number, 1, md5((number / %(batch)s)::text), '{"study": "lr"}', 1 + number %% %(projects)s,
           'project' || number %% %(projects)s, 'user' || number %% %(users)s, 'node' || number %% %(nodes)s,
           '{"cpus": 8, "gpus": {"NVIDIA H100": 1}, "memory_mb": 65536}', %(since)s, %(since)s
    FROM generate_series(1, %(count)s) AS number
    JOIN (VALUES ('hold'), ('settle'), ('refund')) AS kinds (kind) ON kind <> 'refund' OR number %% 50 = 0
"""
# The least: what any sum over as many rows takes, read from the same index, without groups.
PLAIN = """
    SELECT sum(cost) FROM quotas_ledgertransaction WHERE NOT (kind = 'hold') AND at >= %s AND at < %s
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost_report", description=__doc__)
    parser.add_argument("--placements", type=int, default=1_000_000)
    count = parser.parse_args().placements
    with database() as url:
        set_up(url)
        fill(count)
        print(json.dumps({"placements": count, **measure()}))


def fill(count: int) -> None:
    from django.db import connection  # noqa: PLC0415 - models can be imported once Django knows its settings

    from quotas.models import Project  # noqa: PLC0415

    Project.objects.bulk_create(Project(pk=number, slug=f"project{number}") for number in range(1, PROJECTS + 1))
    sizes = {"projects": PROJECTS, "users": USERS, "nodes": NODES, "batch": JOBS_A_BATCH}
    with connection.cursor() as cursor:
        # Lines make no difference to a report, and their check at the commit would take an hour.
        cursor.execute(f"ALTER TABLE {LEDGER} DISABLE TRIGGER quotas_ledger_balanced")
        cursor.execute(FILL, {"since": SINCE, "count": count, **sizes})
        cursor.execute(f"ALTER TABLE {LEDGER} ENABLE TRIGGER quotas_ledger_balanced")
        cursor.execute(f"VACUUM ANALYZE {LEDGER}, quotas_jobmonth")


def measure() -> dict[str, Any]:
    """The milliseconds of each report, the median of a few, and of a plain sum."""
    from django.db import connection  # noqa: PLC0415 - as above

    from quotas.costs.reports import GroupBy, Scope, every_group, report  # noqa: PLC0415

    def plain() -> None:
        with connection.cursor() as cursor:
            cursor.execute(PLAIN, [SINCE, UNTIL])
            cursor.fetchall()

    def of(group_by: GroupBy, until: datetime = UNTIL, **fields: Any) -> Callable[[], object]:
        return lambda: report(Scope(**fields), since=SINCE, until=until, group_by=group_by, limit=1_000)

    def whole_table() -> None:
        deque(every_group(Scope(), since=SINCE, until=UNTIL, group_by=GroupBy.JOB), maxlen=0)

    asked = {group.value: of(group) for group in GroupBy}
    asked |= {
        "project 7 by user": of(GroupBy.USER, projects={7}),
        "a day by project": of(GroupBy.PROJECT, SINCE + timedelta(days=1)),
        "29 days by job": of(GroupBy.JOB, SINCE + timedelta(days=29)),
        "all jobs for a table": whole_table,
    }
    found = {name: median_ms(step) for name, step in {"plain sum": plain, **asked}.items()}
    connection.close()
    return found


def median_ms(step: Callable[[], object]) -> float:
    step()
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        step()
        taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 1)


if __name__ == "__main__":
    main()
