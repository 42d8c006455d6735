"""The books of what jobs hold, read for an audit: the planner's own reading, the rows of jobs, and what agents say."""

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from jobs.models.queries import named_rows, rows
from jobs.planning import job_rows
from scheduling.lifecycle import LEASED_STATES, PLACED_STATES
from scheduling.resources import Resources, total
from scheduling.sharing.quota_audit import Finding, HeldShare, JobBooks, Mistake

# One statement, so that all of it is of one moment: what a transaction writes together is seen together. The attempts of
# open placements are looked up one by one: else all that ever were are read for them.
JOBS = """
    WITH attempts AS MATERIALIZED (
        SELECT job_id, array_agg(number ORDER BY number) AS numbers FROM jobs_attempt WHERE ended_at IS NULL GROUP BY job_id
    ),
    shares AS MATERIALIZED (
        SELECT attempt.job_id, array_agg(placement.id ORDER BY placement.id) AS ids,
               jsonb_agg(jsonb_build_array(
                   placement.id, attempt.number, attempt.ended_at IS NOT NULL, placement.cpus, placement.memory_mb,
                   placement.gpu_indices, coalesce(held.gpus, '{}'),
                   coalesce(placement.lease_expires_at >= statement_timestamp() - make_interval(secs => %(margin)s), false)
                   OR placement.state <> 'placed' AND EXISTS (
                       SELECT FROM workers_node WHERE id = placement.node_id AND cluster_id IS NOT NULL
                   )
               ) ORDER BY placement.id) AS held
        FROM jobs_placement AS placement
        CROSS JOIN LATERAL (SELECT * FROM jobs_attempt WHERE id = placement.attempt_id LIMIT 1) AS attempt
        LEFT JOIN (
            SELECT placement_id, array_agg(index ORDER BY index) AS gpus FROM jobs_gpuhold GROUP BY placement_id
        ) AS held ON held.placement_id = placement.id
        WHERE placement.closed_at IS NULL GROUP BY attempt.job_id
    ),
    watched AS (
        SELECT id FROM jobs_job WHERE state = ANY(%(placed)s) UNION SELECT job_id FROM attempts UNION SELECT job_id FROM shares
    )
    SELECT job.id, project.slug, job.state = ANY(%(placed)s), job.attempt, job.nodes, job.cpus, job.memory_mb, job.gpus,
           coalesce(attempts.numbers, '{}'), coalesce(shares.held, '[]')::text,
           CASE WHEN job.nodes > 1 THEN (
               SELECT count(*) FROM jobs_placement AS gone JOIN jobs_attempt AS present ON present.id = gone.attempt_id
               WHERE present.job_id = job.id AND present.number = job.attempt AND gone.closed_at IS NOT NULL
           ) ELSE 0 END
    FROM watched JOIN jobs_job AS job ON job.id = watched.id
    JOIN quotas_project AS project ON project.id = job.project_id
    LEFT JOIN attempts ON attempts.job_id = job.id LEFT JOIN shares ON shares.job_id = job.id
    WHERE %(only)s::bigint IS NULL OR job.id = %(only)s
    ORDER BY job.id
"""
# A GPU that is held for a placement that is closed: no open placement tells of it.
LEFT_HELD = """
    SELECT attempt.job_id, project.slug, placement.id, array_agg(hold.index ORDER BY hold.index)
    FROM jobs_gpuhold AS hold
    JOIN jobs_placement AS placement ON placement.id = hold.placement_id AND placement.closed_at IS NOT NULL
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id JOIN quotas_project AS project ON project.id = job.project_id
    GROUP BY attempt.job_id, project.slug, placement.id ORDER BY placement.id
"""
# Of agents that are heard of and say it. What was claimed or closed just before their word counts for nothing yet.
AGENTS = """
    WITH said AS MATERIALIZED (
        SELECT id, name, registered_at, last_heartbeat_at - make_interval(secs => %(settled)s) AS before, load -> 'placements' AS runs
        FROM workers_node
        WHERE last_heartbeat_at >= statement_timestamp() - make_interval(secs => %(lease)s) AND jsonb_typeof(load -> 'placements') = 'array'
    )
    SELECT true, job.id, project.slug, placement.id, said.name, placement.cpus, placement.memory_mb, cardinality(placement.gpu_indices)
    FROM jobs_placement AS placement
    JOIN said ON said.id = placement.node_id
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id JOIN quotas_project AS project ON project.id = job.project_id
    WHERE placement.closed_at IS NULL AND placement.state = ANY(%(leased)s)
        AND placement.claimed_at < said.before AND said.registered_at < said.before AND NOT said.runs @> to_jsonb(placement.id)
    UNION ALL
    SELECT false, coalesce(attempt.job_id, 0), coalesce(project.slug, ''), run.id, said.name,
           coalesce(placement.cpus, 0), coalesce(placement.memory_mb, 0), coalesce(cardinality(placement.gpu_indices), 0)
    FROM said CROSS JOIN LATERAL (SELECT id::bigint FROM jsonb_array_elements_text(said.runs) AS run (id)) AS run
    LEFT JOIN jobs_placement AS placement ON placement.id = run.id AND placement.node_id = said.id
    LEFT JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    LEFT JOIN jobs_job AS job ON job.id = attempt.job_id LEFT JOIN quotas_project AS project ON project.id = job.project_id
    WHERE placement.id IS NULL OR placement.closed_at < said.before
"""


def jobs(only: int | None = None) -> list[JobBooks]:
    """Every job that holds anything by one of its rows, or this one alone."""
    margin = settings.LEASE_MARGIN_SECONDS
    return [_books(*row) for row in named_rows(JOBS, placed=sorted(PLACED_STATES), margin=margin, only=only)]


def planned() -> dict[int, Resources]:
    """What each job holds as the planner reads it."""
    return {job.id: total(share.amount for share in job.shares) for job in job_rows.running()}


def left_held() -> list[Finding]:
    return [
        Finding(
            Mistake.GPU_HOLD, job, project, f"GPUs {gpus} were still held for placement {placement}, which is closed",
            Resources(gpus=len(gpus)), placement=placement,
        )
        for job, project, placement, gpus in rows(LEFT_HELD)
    ]  # fmt: skip


def agents() -> list[Finding]:
    """What agents run and the rows do not, and the other way round."""
    lease = settings.LEASE_SECONDS
    return [_of_agent(*row) for row in named_rows(AGENTS, leased=sorted(LEASED_STATES), lease=lease, settled=lease)]


def _books(*row: Any) -> JobBooks:
    job, project, placed, attempt, nodes, cpus, memory_mb, gpus, open_attempts, held, ended = row
    shares: Sequence[HeldShare] = tuple(HeldShare(*one) for one in json.loads(held))
    return JobBooks(
        job, project, placed, attempt, nodes, Resources(cpus, memory_mb, gpus), tuple(open_attempts), shares, ended
    )


def _of_agent(in_rows: bool, job: int, project: str, placement: int, node: str, *amounts: int) -> Finding:
    off = Resources(*amounts)
    if in_rows:
        why = f"node {node} holds the lease of placement {placement}, and does not run it"
        return Finding(Mistake.UNKNOWN_TO_AGENT, job, project, why, off, 1, placement)
    why = f"node {node} runs placement {placement}, which is closed or not there"
    return Finding(Mistake.UNKNOWN_TO_ROWS, job, project, why, off * -1, -1, placement)
