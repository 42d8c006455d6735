"""What became of the jobs of a workload: how long they waited and ran, what was tried again, what was lost, what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jobs.models import Workload
from jobs.models.queries import named_rows

BEST_SHOWN = 10
# A job that never started has waited until now or until it ended; one whose attempt goes on runs until now.
SPANS = """
    SELECT avg(waited), percentile_cont(0.5) WITHIN GROUP (ORDER BY waited), max(waited), count(waited),
           avg(ran), percentile_cont(0.5) WITHIN GROUP (ORDER BY ran), max(ran), count(ran),
           coalesce(sum(retries), 0), coalesce(sum(attempts), 0), coalesce(sum(preemptions), 0),
           coalesce(sum(lost), 0), coalesce(sum(lost_gpu), 0)
    FROM (
        SELECT job.id,
               CASE WHEN job.started_at IS NOT NULL THEN date_part('epoch', job.started_at - job.created_at) END AS waited,
               tried.ran, job.retries_used + job.platform_retries_used AS retries, tried.attempts,
               tried.preemptions, tried.lost, tried.lost * job.gpus * job.nodes AS lost_gpu
        FROM jobs_job AS job
        LEFT JOIN LATERAL (
            SELECT sum(date_part('epoch', coalesce(attempt.ended_at, statement_timestamp()) - attempt.started_at)) AS ran,
                   count(*) AS attempts, count(preemption.id) AS preemptions, sum(preemption.lost_seconds) AS lost
            FROM jobs_attempt AS attempt LEFT JOIN jobs_preemption AS preemption ON preemption.attempt_id = attempt.id
            WHERE attempt.job_id = job.id
        ) AS tried ON true
        WHERE job.workload_id = %(workload)s
    ) AS spans
"""
BY_STATE = """
    SELECT job.state, count(*), sum(booked.cost), coalesce(sum(held.gpu_seconds), 0) / 3600
    FROM jobs_job AS job
    LEFT JOIN LATERAL (
        SELECT sum(one.cost) AS cost FROM quotas_ledgertransaction AS one WHERE one.job = job.id
    ) AS booked ON true
    LEFT JOIN LATERAL (
        SELECT sum(cardinality(placement.gpu_indices) * date_part('epoch',
                   coalesce(placement.closed_at, statement_timestamp()) - placement.created_at)) AS gpu_seconds
        FROM jobs_attempt AS attempt JOIN jobs_placement AS placement ON placement.attempt_id = attempt.id
        WHERE attempt.job_id = job.id
    ) AS held ON true
    WHERE job.workload_id = %(workload)s
    GROUP BY job.state ORDER BY job.state
"""
END_REASONS = """
    SELECT end_reason, count(*) FROM jobs_job
    WHERE workload_id = %(workload)s AND state IN ('failed', 'cancelled') GROUP BY end_reason ORDER BY count(*) DESC, end_reason
"""
BEST = """
    SELECT id, name, state, (metrics ->> %(metric)s)::float AS value FROM jobs_job
    WHERE workload_id = %(workload)s AND jsonb_typeof(metrics -> %(metric)s) = 'number'
    ORDER BY (metrics ->> %(metric)s)::float * %(sign)s, id LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of some jobs, in seconds; None: of none."""

    mean: float | None
    median: float | None
    longest: float | None
    jobs: int


@dataclass(frozen=True, slots=True)
class OfState:
    """The jobs that are in one state now, and what they have cost so far that is settled."""

    jobs: int
    cost: Decimal | None
    gpu_hours: float


@dataclass(frozen=True, slots=True)
class Ranked:
    job: int
    name: str
    state: str
    value: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of all jobs of a workload. `lost_*`: work that had to be done again, as it was estimated when jobs gave way."""

    waits: Spread
    runs: Spread
    retries: int
    attempts: int
    preemptions: int
    lost_hours: float
    lost_gpu_hours: float
    by_state: Mapping[str, OfState]
    end_reasons: Mapping[str, int]
    best: Sequence[Ranked] = ()


def statistics(workload: Workload, *, metric: str = "", lowest: bool = False) -> Statistics:
    """What is known of it now; with a metric also the jobs that report it best."""
    [row] = named_rows(SPANS, workload=workload.pk)
    retries, attempts, preemptions, lost, lost_gpu = row[8:]
    return Statistics(
        waits=Spread(*row[:4]),
        runs=Spread(*row[4:8]),
        retries=int(retries),
        attempts=int(attempts),
        preemptions=int(preemptions),
        lost_hours=lost / 3600,
        lost_gpu_hours=lost_gpu / 3600,
        by_state={state: OfState(*columns) for state, *columns in named_rows(BY_STATE, workload=workload.pk)},
        end_reasons=dict(named_rows(END_REASONS, workload=workload.pk)),
        best=_best(workload, metric, lowest=lowest) if metric else (),
    )


def _best(workload: Workload, metric: str, *, lowest: bool) -> list[Ranked]:
    sign: Any = 1 if lowest else -1
    return [Ranked(*row) for row in named_rows(BEST, workload=workload.pk, metric=metric, sign=sign, most=BEST_SHOWN)]
