"""How workloads stand, worked out from their jobs each time: counts, progress, the end that is expected, costs, the first failure.

In a fixed number of statements, however many workloads and jobs they are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from jobs.costs import so_far
from jobs.models import Workload
from jobs.models.queries import named_rows
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.workloads import OVER, Phase, Wanted, phase_of

# The end of a job that runs is told from its last start, and of a late one as now; of one that waits from its predicted start.
STATES = """
    SELECT workload_id, state, count(*), sum(CASE WHEN state = 'completed' THEN 1 ELSE coalesce(progress, 0) END),
           sum(estimated_cost), max(finished_at), min(started_at),
           max(greatest(begins + make_interval(secs => expected), statement_timestamp())),
           count(*) FILTER (WHERE begins IS NULL OR expected IS NULL)
    FROM (
        SELECT *,
               CASE WHEN state = 'pending' THEN predicted_start
                    WHEN state IN ('queued', 'assigned', 'running') THEN queued_at END AS begins,
               coalesce(predicted_runtime_seconds, estimated_runtime_seconds, max_runtime_seconds) AS expected
        FROM jobs_job WHERE workload_id = ANY(%(ids)s)
    ) AS job
    GROUP BY workload_id, state
"""
GPU_HOURS = """
    SELECT job.workload_id,
           sum(cardinality(placement.gpu_indices) * date_part('epoch',
               coalesce(placement.closed_at, statement_timestamp()) - placement.created_at)) / 3600
    FROM jobs_job AS job
    JOIN jobs_attempt AS attempt ON attempt.job_id = job.id
    JOIN jobs_placement AS placement ON placement.attempt_id = attempt.id
    WHERE job.workload_id = ANY(%(ids)s) AND job.attempt > 0 AND NOT (placement.gpu_indices = '{}')
    GROUP BY job.workload_id
"""
FIRST_FAILURES = """
    SELECT DISTINCT ON (workload_id) workload_id, id, name, end_reason, message, finished_at
    FROM jobs_job WHERE workload_id = ANY(%(ids)s) AND state = 'failed'
    ORDER BY workload_id, finished_at, id
"""


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """The job of a workload that failed before any other."""

    job: int
    name: str
    end_reason: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """How one workload stands. `progress`: of all its jobs together, from 0 to 1; None: it has none."""

    phase: Phase
    counts: Mapping[JobState, int] = field(default_factory=dict)
    progress: float | None = None
    predicted_end: datetime | None = None
    began_at: datetime | None = None
    finished_at: datetime | None = None
    estimated_cost: Decimal | None = None
    cost: Decimal | None = None
    gpu_hours: float = 0.0
    first_failure: FirstFailure | None = None

    @property
    def jobs(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many have ended."""
        return sum(number for state, number in self.counts.items() if state in TERMINAL_STATES)


NOTHING = Summary(Phase.EMPTY)
"""Of a workload of which nobody has worked it out."""


def summaries(workloads: Iterable[Workload]) -> dict[int, Summary]:
    """By workload."""
    known = {one.pk: one.wish for one in workloads}
    ids = list(known)
    states: dict[int, list[Any]] = defaultdict(list)
    for pk, *columns in named_rows(STATES, ids=ids):
        states[pk].append(columns)
    hours = dict(named_rows(GPU_HOURS, ids=ids))
    failures = {pk: FirstFailure(*columns) for pk, *columns in named_rows(FIRST_FAILURES, ids=ids)}
    costs = so_far.cost_of_workloads(ids)
    return {
        pk: _summary(wish, states[pk], costs.get(pk), hours.get(pk, 0.0), failures.get(pk))
        for pk, wish in known.items()
    }


def _summary(
    wish: Wanted, states: list[Any], cost: Decimal | None, gpu_hours: float, failure: FirstFailure | None
) -> Summary:
    counts = {JobState(state): number for state, number, *_ in states}
    jobs = sum(counts.values())
    phase = phase_of(wish, counts)
    open_ones = [row for row in states if row[0] not in TERMINAL_STATES]
    ends, unknown = [row[6] for row in open_ones], any(row[7] for row in open_ones)
    estimated = [row[3] for row in states if row[3] is not None]
    return Summary(
        phase=phase,
        counts=counts,
        progress=sum(row[2] for row in states) / jobs if jobs else None,
        predicted_end=None if unknown or not ends else max(ends),
        began_at=min((row[5] for row in states if row[5] is not None), default=None),
        finished_at=max((row[4] for row in states if row[4] is not None), default=None) if phase in OVER else None,
        estimated_cost=sum(estimated, Decimal(0)) if estimated else None,
        cost=cost,
        gpu_hours=gpu_hours,
        first_failure=failure,
    )
