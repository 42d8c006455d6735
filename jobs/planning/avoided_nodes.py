"""Nodes on which waiting jobs failed a moment ago: the next attempt goes elsewhere, if another one could take it."""

from django.conf import settings

from jobs.models.queries import rows
from scheduling.failures.retry import RetryBudget, reasons_that

FAILED_ON = """
    SELECT DISTINCT attempt.job_id, node.name
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN workers_node AS node ON node.id = placement.node_id
    WHERE placement.closed_at > statement_timestamp() - make_interval(secs => %s)
      AND placement.end_reason NOT IN ('', 'completed') AND placement.end_reason = ANY(%s) AND job.state = 'pending'
      AND attempt.number > job.attempt - 2
      AND (placement.end_reason = ANY(%s) OR NOT job.checkpointable OR attempt.started_at IS NULL
           OR attempt.ended_at - attempt.started_at < make_interval(secs => %s))
    ORDER BY attempt.job_id, node.name
"""


def failed_on() -> dict[int, tuple[str, ...]]:
    """For each waiting job that failed a moment ago the nodes where it did, if another one may do better.

    Only its last two attempts count: a job that has seen half the fleet fail must not be left with one node to wait for.
    A job that wrote checkpoints there for a while goes back to them, unless the node was to blame.
    """
    # Of failures for which the owner pays a long run that saved its work is excused: there the node did well.
    found: dict[int, tuple[str, ...]] = {}
    reasons = [sorted(reasons_that(elsewhere=True, payer=payer)) for payer in (None, RetryBudget.PLATFORM)]
    for job_id, node in rows(FAILED_ON, settings.AVOID_SECONDS, *reasons, settings.AT_ONCE_SECONDS):
        found[job_id] = (*found.get(job_id, ()), node)
    return found
