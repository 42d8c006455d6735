"""Workloads as the planner sees them: which start nothing now and why, and which run only so many jobs at once."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString, NamedTuple, TypeAlias

from jobs.models.queries import rows
from scheduling.snapshot import WorkloadView
from scheduling.workloads import Wanted, why_stopped

STANDING = """
    SELECT workload.id, workload.name, workload.wanted, workload.max_running,
           CASE WHEN workload.stop_on_failure THEN (
               SELECT min(job.id) FROM jobs_job AS job
               WHERE job.workload_id = workload.id AND job.state = 'failed' AND job.finished_at > workload.watched_since
           ) END
    FROM jobs_workload AS workload
    WHERE (workload.wanted <> 'open' OR workload.max_running IS NOT NULL OR workload.stop_on_failure)
"""
# Only those in which a job waits: there may be many that are over.
STANDINGS: LiteralString = f"""
    {STANDING} AND EXISTS (SELECT 1 FROM jobs_job AS job WHERE job.workload_id = workload.id AND job.state = 'pending')
    ORDER BY workload.id
"""  # noqa: S608  made of constants
NAMED: LiteralString = f"""
    {STANDING} AND workload.name = %s AND workload.project_id = (SELECT id FROM quotas_project WHERE slug = %s)
"""  # noqa: S608  likewise


class Standing(NamedTuple):
    """`stopped`: why nothing of it starts, as a sentence; empty: its jobs start."""

    name: str = ""
    stopped: str = ""
    max_running: int | None = None


STARTS = Standing()
Standings: TypeAlias = Mapping[int | None, Standing]
"""By workload. One that is missing limits nothing."""


def standings() -> Standings:
    return _as_standings(rows(STANDINGS))


def standing_of(project: str, name: str) -> Standings:
    """The same of one workload, whether or not a job of it waits; empty if there is none, or it limits nothing."""
    return _as_standings(rows(NAMED, name, project))


def _as_standings(found: Iterable[tuple[Any, ...]]) -> Standings:
    return {
        pk: Standing(name, why_stopped(name, Wanted(wanted), failed), most) for pk, name, wanted, most, failed in found
    }


def capped(known: Standings) -> tuple[WorkloadView, ...]:
    """Those that run only so many jobs at once, as values of the core."""
    return tuple(
        WorkloadView(key(pk), one.name, one.max_running) for pk, one in known.items() if one.max_running is not None
    )


def changed(before: Standings, now: Standings) -> frozenset[int | None]:
    """Those of whose jobs something else is to be said now."""
    return frozenset(pk for pk in before.keys() | now.keys() if before.get(pk) != now.get(pk))


def key(workload: int | None) -> str:
    """What the core knows a workload by; empty: the job is in none."""
    return "" if workload is None else str(workload)
