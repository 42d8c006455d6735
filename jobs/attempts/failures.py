"""How attempts failed, and on which nodes: what the decision on another attempt needs to know of those before it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection

from jobs.models import Job, Placement
from jobs.state.outcome import PlacementOutcome
from quotas.clock import database_now
from scheduling.failures.retry import MEANINGS, Allowance, Failure
from scheduling.lifecycle import EndReason

# Only placements that ended for the attempt's own reason: of a gang those that were only stopped with it say nothing of
# their nodes.
BEFORE = """
    SELECT attempt.job_id, attempt.end_reason, attempt.exit_code, array_agg(node.name),
           date_part('epoch', attempt.ended_at - attempt.started_at)
    FROM jobs_attempt AS attempt
    JOIN jobs_placement AS placement ON placement.attempt_id = attempt.id AND placement.end_reason = attempt.end_reason
    JOIN workers_node AS node ON node.id = placement.node_id
    WHERE attempt.job_id = ANY(%s) AND attempt.ended_at IS NOT NULL AND attempt.end_reason = ANY(%s)
    GROUP BY attempt.id ORDER BY attempt.number DESC
"""
Before = Mapping[int, Sequence[Failure]]


def allowance(job: Job) -> Allowance:
    """What the job may still cost."""
    return Allowance(
        retries_used=job.retries_used,
        max_retries=job.max_retries,
        platform_retries_used=job.platform_retries_used,
        platform_retries=settings.PLATFORM_RETRIES,
        at_once_seconds=settings.AT_ONCE_SECONDS,
    )


def before(ends: Sequence[tuple[Placement, PlacementOutcome]]) -> Before:
    """The last failures of those jobs for which they matter, as many as retries were used since their owner's last word."""
    jobs = {row.attempt.job_id: row.attempt.job for row, ending in ends if _may_be_own_fault(row.attempt.job, ending)}
    found: dict[int, list[Failure]] = defaultdict(list)
    if not jobs:
        return found
    with connection.cursor() as cursor:
        reasons = [str(reason) for reason, meaning in MEANINGS.items() if meaning.own_fault_twice]
        cursor.execute(BEFORE, [list(jobs), reasons])
        for job_id, reason, code, nodes, ran in cursor.fetchall():
            if len(found[job_id]) < _retries_used(jobs[job_id]):
                found[job_id].append(Failure(EndReason(reason), code, frozenset(nodes), ran))
    return found


def present(row: Placement, ending: PlacementOutcome, failed_nodes: frozenset[str]) -> Failure:
    """How the attempt of this placement fails now."""
    return Failure(
        ending.reason, ending.exit_code, failed_nodes, _ran(row.attempt.started_at or ending.started_at, row)
    )


def failed_nodes(row: Placement, ending: PlacementOutcome, by_id: Mapping[int, PlacementOutcome]) -> frozenset[str]:
    """The nodes on which the attempt failed: of a gang those whose own member ended for the attempt's reason."""
    if row.attempt.job.nodes == 1:  # nearly all; its own row says it without a question
        return frozenset({row.node.name})
    members = Placement.objects.filter(attempt=row.attempt_id).values_list("pk", "end_reason", "node__name")
    return frozenset(
        node for pk, reason, node in members if (by_id[pk].reason if pk in by_id else reason) == ending.reason
    )


def _may_be_own_fault(job: Job, ending: PlacementOutcome) -> bool:
    meaning = MEANINGS.get(ending.reason)
    return ending.charged and meaning is not None and meaning.own_fault_twice and _retries_used(job) > 0


def _retries_used(job: Job) -> int:
    return job.retries_used + job.platform_retries_used


def _ran(started_at: datetime | None, row: Placement) -> float | None:
    """Seconds since the start, which was not before the attempt was made, whatever the node's clock says."""
    if started_at is None:
        return None
    return max(0.0, (database_now() - max(started_at, row.attempt.created_at)).total_seconds())
