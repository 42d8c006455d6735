"""The shadow schedule of a policy that keeps a floor, from plan to plan: rows to a value, and back what has changed of it."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import F

from jobs.models import FloorShadow, FloorShadowJob, JobEvent, Queue
from jobs.models.queries import rows
from jobs.planning import saved_work
from jobs.planning.floor import promises
from jobs.planning.job_rows import in_line_before
from jobs.planning.policy_settings import rules
from scheduling.plan_result import Plan
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.floor.progress import work_done
from scheduling.resources import Resources
from scheduling.rules import Rules
from scheduling.snapshot import Allocation, EndedJob, QueueView, RunningJob, Shadow, ShadowJob, Snapshot, WaitingJob

log = logging.getLogger(__name__)

LEAP_SECONDS = 60.0
"""A shadow that is so far ahead of the clock would stand still for as long: the clock was set back, and it begins anew."""
JOBS = "SELECT job_id, started_at, shares::text, work_seconds, late_seconds FROM jobs_floorshadowjob ORDER BY started_at, job_id"
OVER = """
    SELECT job.id, job.state = 'cancelled' OR attempt.started_at IS NULL,
           date_part('epoch', attempt.started_at), date_part('epoch', attempt.ended_at)
    FROM jobs_job AS job
    LEFT JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.number = job.attempt
    WHERE job.id = ANY(%s) AND job.state IN ('completed', 'failed', 'cancelled')
"""
# Only of jobs that are there: one that has ended may have been deleted meanwhile.
WRITE = """
    INSERT INTO jobs_floorshadowjob (job_id, started_at, shares, work_seconds, late_seconds)
    SELECT new.* FROM unnest(%s::bigint[], %s::float8[], %s::jsonb[], %s::float8[], %s::float8[])
        AS new (job_id, started_at, shares, work_seconds, late_seconds)
    JOIN jobs_job AS job ON job.id = new.job_id
    ON CONFLICT (job_id) DO UPDATE SET started_at = excluded.started_at, shares = excluded.shares,
        work_seconds = excluded.work_seconds, late_seconds = excluded.late_seconds
"""


class Remembered(NamedTuple):
    """The shadow as this process wrote it last, with what no row holds: `version` says whether it is still that one."""

    version: UUID | None = None
    shadow: Shadow | None = None


_remembered = Remembered()


def is_kept(by: Rules | None = None) -> bool:
    """Whether the policy of any queue keeps a floor, `by` these rules or those that hold: asked before anything is read for it."""
    queues = tuple(QueueView(name, policy=policy) for name, policy in Queue.objects.values_list("name", "policy"))
    return keeps_floor(Snapshot(queues=queues, rules=by or rules()))


def read(
    waiting: Sequence[WaitingJob], running: Sequence[RunningJob], now: float
) -> tuple[Shadow | None, tuple[EndedJob, ...]]:
    """The shadow as the last plan left it, and who of it has ended since; none where the first plan is still to come."""
    row = FloorShadow.objects.first()
    if row is None:
        return None, ()
    if row.clock > now + LEAP_SECONDS:
        log.warning("The clock was set back behind the shadow schedule, which begins anew.")
        return None, ()
    line = {job.id: job for job in waiting}
    shadow = _remembered.shadow if _remembered.version == row.version else None
    shadow = shadow or _loaded(row, line)
    return shadow, _ended(shadow, line, {job.id for job in running})


def _loaded(row: FloorShadow, line: Mapping[int, WaitingJob]) -> Shadow:
    found = rows(JOBS)
    views = {**line, **in_line_before([one[0] for one in found if one[0] not in line])}
    # Whoever was deleted since is not there any more, as its row is gone with it.
    jobs = {
        job_id: ShadowJob(views[job_id], start, _shares(text), *more)
        for job_id, start, text, *more in found
        if job_id in views
    }
    return Shadow(row.clock, jobs, dict(row.nodes), row.longest_wait, dict(row.broken))


def _shares(text: str) -> tuple[Allocation, ...]:
    return tuple(
        Allocation(node, Resources(cpus, memory_mb, len(gpus)), tuple(gpus), rank)
        for rank, (node, cpus, memory_mb, gpus) in enumerate(json.loads(text))
    )


def _as_data(shares: Sequence[Allocation]) -> list[list[Any]]:
    return [[one.node, one.amount.cpus, one.amount.memory_mb, list(one.gpu_indices)] for one in shares]


def _ended(shadow: Shadow, line: Mapping[int, WaitingJob], placed: Collection[int]) -> tuple[EndedJob, ...]:
    """Who has ended since the last plan; one that was put back in line after its end is as if it was new."""
    again = [
        EndedJob(one.job, 0.0, given_up=True)
        for one in shadow.jobs.values()
        if one.work_seconds is not None and one.job.id in line
    ]
    left = [
        job_id
        for job_id, one in shadow.jobs.items()
        if one.work_seconds is None and job_id not in line and job_id not in placed
    ]
    over = rows(OVER, left) if left else []
    before = (
        saved_work.before_the_last_attempt([job_id for job_id, given_up, *_ in over if not given_up]) if over else {}
    )
    ended = (
        EndedJob(
            job := shadow.jobs[job_id].job,
            0.0 if given_up else _work(job, start, end, before.get(job_id, 0.0)),
            given_up,
        )
        for job_id, given_up, start, end in over
    )
    return (*again, *ended)


def _work(job: WaitingJob, start: float, end: float, saved: float) -> float:
    """All that it took, as it was reckoned while it ran."""
    last = RunningJob(job.id, job.project, job.queue, job.priority, (), started_at=start, saved_seconds=saved)
    return work_done(last, end, saved_work.RESTART_COST)


def save(snapshot: Snapshot, plan: Plan) -> None:
    """Write what the plan has changed of the shadow, in the cycle's transaction; without a floor there is none any more."""
    global _remembered  # noqa: PLW0603 - one planner at a time
    if plan.shadow is None:
        _forget()
        return
    before, after = snapshot.shadow, plan.shadow
    if before is None:
        _forget()
    known = before.jobs if before else {}
    _write_jobs(known, after.jobs)
    JobEvent.objects.bulk_create(promises.broken(snapshot, plan))
    _remembered = Remembered(_write_clock(after, promises.kept(snapshot, after)), after)


def _forget() -> None:
    if FloorShadow.objects.filter(pk=1).delete()[0]:
        FloorShadowJob.objects.all().delete()


def _write_jobs(before: Mapping[int, ShadowJob], after: Mapping[int, ShadowJob]) -> None:
    gone = [job_id for job_id in before if job_id not in after]
    if gone:
        FloorShadowJob.objects.filter(pk__in=gone).delete()
    changed = [one for job_id, one in after.items() if _differs(before.get(job_id), one)]
    if changed:
        columns = (
            [one.job.id for one in changed],
            [one.started_at for one in changed],
            [json.dumps(_as_data(one.shares)) for one in changed],
            [one.work_seconds for one in changed],
            [one.late_seconds for one in changed],
        )
        with connection.cursor() as cursor:
            cursor.execute(WRITE, columns)


def _differs(old: ShadowJob | None, new: ShadowJob) -> bool:
    return old is not new and (old is None or _state(old) != _state(new))


def _state(one: ShadowJob) -> tuple[object, ...]:
    return (one.started_at, one.shares, one.work_seconds, one.late_seconds)


def _write_clock(shadow: Shadow, kept: int) -> UUID:
    version = uuid4()
    columns = {
        "clock": shadow.clock,
        "nodes": dict(shadow.nodes),
        "longest_wait": shadow.longest_wait,
        "broken": dict(shadow.broken),
        "version": version,
    }
    if not FloorShadow.objects.filter(pk=1).update(**columns, kept=F("kept") + kept):
        FloorShadow.objects.create(**columns, kept=kept)
    return version
