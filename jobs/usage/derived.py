"""What was used in some spans of time, worked out from placements, attempts, events and the ledger."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from scheduling.failures.retry import RetryBudget, reasons_that
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.sharing.usage_decay import CPUS_A_GPU

DIMENSIONS = ("project", "project_slug", "user_name", "queue", "hardware", "node", "labels")
MEASURES = (
    "gpu_seconds", "cpu_seconds", "charged_seconds", "waiting_seconds",
    "used_cpu_seconds", "measured_cpu_seconds", "busy_gpu_seconds", "measured_gpu_seconds",
    "idle_held_gpu_seconds", "freed_gpu_seconds", "gpu_joules", "cpu_joules",
    "owner_failed_gpu_seconds", "owner_failed_cpu_seconds", "platform_failed_gpu_seconds", "platform_failed_cpu_seconds",
    "preempted_gpu_seconds", "preempted_cpu_seconds", "lost_gpu_seconds", "lost_cpu_seconds", "cost", "attempts",
)  # fmt: skip
"""Columns of a usage hour that are added up."""
COLUMNS = ", ".join(("hour", *DIMENSIONS, *MEASURES, "waits"))

# By GPU indices, not by what the job asked for: a job that takes any GPU has used the one that it got.
_OF_JOB = """
    project.id AS project, project.slug AS project_slug, coalesce(owner.username, '') AS user_name, queue.name AS queue,
    job.labels
"""
_JOINS = """
    JOIN quotas_project AS project ON project.id = job.project_id
    JOIN jobs_queue AS queue ON queue.id = job.queue_id
    LEFT JOIN auth_user AS owner ON owner.id = job.owner_id
"""
# Of gangs all members, also those that were closed before: an attempt is booked whole when it ends.
_HELD = f"""
    SELECT {_OF_JOB}, job.id AS job_id, node.name AS node, placement.rank, placement.cpus,
           cardinality(placement.gpu_indices) AS gpus, placement.created_at AS since,
           coalesce(placement.closed_at, statement_timestamp()) AS until,
           CASE WHEN placement.gpu_indices = '{{}}' THEN 'cpu' ELSE coalesce((
               SELECT string_agg(DISTINCT gpu.model, ' + ' ORDER BY gpu.model)
               FROM jsonb_to_recordset(node.gpus) AS gpu (index int, model text)
               WHERE gpu.index = ANY(placement.gpu_indices) AND gpu.model <> ''
           ), 'gpu') END AS hardware,
           attempt.id AS attempt_id, attempt.number, attempt.created_at AS placed_at, attempt.started_at, attempt.ended_at,
           attempt.end_reason, attempt.cpu_seconds, attempt.gpu_busy_seconds, attempt.gpu_measured_seconds,
           attempt.gpu_idle_seconds, attempt.gpu_joules, attempt.cpu_joules,
           job.created_at AS submitted_at,
           sum(placement.cpus) OVER of_attempt AS all_cpus,
           nullif(sum(cardinality(placement.gpu_indices)) OVER of_attempt, 0) AS all_gpus
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN workers_node AS node ON node.id = placement.node_id
    {_JOINS}
    WHERE placement.attempt_id IN (
        SELECT attempt_id FROM jobs_placement WHERE closed_at IS NULL AND created_at < %(until)s
        UNION
        SELECT attempt_id FROM jobs_placement WHERE closed_at >= %(since)s AND created_at < %(until)s
    )
    WINDOW of_attempt AS (PARTITION BY placement.attempt_id)
"""  # noqa: S608  made of constants
# A job waits from an event that puts it in line until the next one that takes it out: its place, a hold, a pause, its end.
# Not while it waits for others or for its next try: that is no fault of the platform's.
_LINE = """
    SELECT event.job_id, event.kind, event.at, lead(event.at) OVER of_job AS until, lead(event.attempt) OVER of_job AS placed_as,
           lead(event.kind) OVER of_job AS then_kind, coalesce((event.data ->> 'delay_seconds')::float8, 0) AS delay,
           first_value(event.to_state) OVER (PARTITION BY event.job_id, event.moved ORDER BY event.id) AS state,
           sum(CASE event.kind WHEN 'held' THEN 1 WHEN 'released' THEN -1 ELSE 0 END) OVER of_job AS holds
    FROM (
        SELECT *, count(nullif(to_state, '')) OVER (PARTITION BY job_id ORDER BY id) AS moved FROM jobs_jobevent
        WHERE job_id IN (
            SELECT id FROM jobs_job WHERE state = ANY(%(unfinished)s) AND created_at < %(until)s
            UNION ALL
            SELECT id FROM jobs_job WHERE finished_at >= %(since)s AND created_at < %(until)s
        ) AND (to_state <> '' OR kind IN ('held', 'released'))
    ) AS event
    WINDOW of_job AS (PARTITION BY event.job_id ORDER BY event.id)
"""
_WAITED = f"""
    SELECT line.job_id, line.placed_as, line.then_kind, {_OF_JOB},
           greatest(job.gpus, job.cpus / {CPUS_A_GPU}.0) * job.nodes AS width,
           CASE WHEN job.gpus = 0 THEN 'cpu' ELSE coalesce(nullif(job.gpu_model, ''), 'gpu') END AS hardware,
           greatest(line.at + make_interval(secs => line.delay), needs.ended_at, job.begin_at) AS since,
           coalesce(line.until, statement_timestamp()) AS until
    FROM line
    JOIN jobs_job AS job ON job.id = line.job_id
    {_JOINS},
    LATERAL (
        SELECT coalesce(max(coalesce(needed.finished_at, 'infinity')), '-infinity') AS ended_at
        FROM jobs_jobdependency AS link JOIN jobs_job AS needed ON needed.id = link.needs_id WHERE link.job_id = job.id
    ) AS needs
    WHERE line.state = 'pending' AND line.holds <= 0
"""  # noqa: S608  likewise
_PART = ", ".join(DIMENSIONS)
_PARTS = f"""
    SELECT slot.since AS hour, {_PART}, said.measure, said.amount
    FROM held JOIN slot ON held.since < slot.until AND held.until > slot.since,
    LATERAL (SELECT extract(epoch FROM least(held.until, slot.until) - greatest(held.since, slot.since)) AS seconds) AS span,
    LATERAL (VALUES
        ('gpu_seconds', gpus * seconds), ('cpu_seconds', cpus * seconds),
        ('charged_seconds', greatest(gpus, cpus / {CPUS_A_GPU}.0) * seconds)
    ) AS said (measure, amount)

    UNION ALL SELECT slot.since, {_PART}, said.measure, said.amount
    FROM held JOIN slot ON held.ended_at >= slot.since AND held.ended_at < slot.until
    LEFT JOIN jobs_preemption AS preemption ON preemption.attempt_id = held.attempt_id AND held.end_reason = 'preempted',
    LATERAL (SELECT
        extract(epoch FROM held.until - held.since) AS seconds,
        CASE WHEN end_reason = ANY(%(owner)s) THEN 'owner_failed' WHEN end_reason = ANY(%(platform)s) THEN 'platform_failed'
             WHEN end_reason = 'preempted' THEN 'preempted' END AS how
    ) AS span,
    LATERAL (VALUES
        ('attempts', CASE rank WHEN 0 THEN 1 ELSE 0 END),
        (how || '_gpu_seconds', gpus * seconds), (how || '_cpu_seconds', cpus * seconds),
        ('lost_gpu_seconds', gpus * preemption.lost_seconds::numeric),
        ('lost_cpu_seconds', cpus * preemption.lost_seconds::numeric),
        ('used_cpu_seconds', held.cpu_seconds::numeric * cpus / all_cpus),
        ('measured_cpu_seconds', CASE WHEN held.cpu_seconds IS NOT NULL THEN cpus * seconds END),
        ('busy_gpu_seconds', gpu_busy_seconds::numeric * gpus / all_gpus),
        ('measured_gpu_seconds', gpu_measured_seconds::numeric * gpus / all_gpus),
        ('idle_held_gpu_seconds', gpu_idle_seconds::numeric * gpus / all_gpus),
        ('freed_gpu_seconds', (
            SELECT sum(step.freed_gpu_seconds) FROM jobs_idlegpustep AS step WHERE step.attempt_id = held.attempt_id
        )::numeric * gpus / all_gpus),
        ('gpu_joules', held.gpu_joules::numeric * gpus / all_gpus), ('cpu_joules', held.cpu_joules::numeric * cpus / all_cpus)
    ) AS said (measure, amount)
    WHERE said.measure IS NOT NULL

    UNION ALL SELECT slot.since, {", ".join(f"held.{name}" for name in DIMENSIONS)}, 'wait', greatest(0, extract(epoch FROM
        held.started_at - least(placed_at, coalesce(waited.since, CASE held.number WHEN 1 THEN submitted_at END))))
    FROM held JOIN slot ON held.started_at >= slot.since AND held.started_at < slot.until
    LEFT JOIN waited ON waited.job_id = held.job_id AND waited.placed_as = held.number AND waited.then_kind = 'queued'
    WHERE held.rank = 0

    UNION ALL SELECT slot.since, project, project_slug, user_name, queue, hardware, '', labels, 'waiting_seconds',
        width * extract(epoch FROM least(waited.until, slot.until) - greatest(waited.since, slot.since))
    FROM waited JOIN slot ON waited.since < slot.until AND waited.until > slot.since AND waited.since < waited.until

    UNION ALL SELECT slot.since, paid.project, paid.project_slug, paid.user_name, coalesce(queue.name, ''),
        coalesce((SELECT string_agg(model, ' + ' ORDER BY model) FROM jsonb_object_keys(paid.holding -> 'gpus') AS model), 'cpu'),
        paid.node, paid.labels, 'cost', paid.cost
    FROM quotas_ledgertransaction AS paid JOIN slot ON paid.at >= slot.since AND paid.at < slot.until
    LEFT JOIN jobs_job AS job ON job.id = paid.job LEFT JOIN jobs_queue AS queue ON queue.id = job.queue_id
    WHERE paid.kind <> 'hold' AND paid.at >= %(since)s AND paid.at < %(until)s
"""  # noqa: S608  likewise
_SUMS = ", ".join(
    f"round(coalesce(sum(amount) FILTER (WHERE measure = '{name}'), 0), 6) AS {name}" for name in MEASURES
)
DERIVED = f"""
    WITH slot AS MATERIALIZED (
        SELECT * FROM unnest(%(slots_since)s::timestamptz[], %(slots_until)s::timestamptz[]) AS slot (since, until)
    ),
    held AS MATERIALIZED ({_HELD}), line AS ({_LINE}), waited AS MATERIALIZED ({_WAITED}), part AS ({_PARTS})
    SELECT hour, {_PART}, {_SUMS},
           coalesce(array_agg(amount::float8 ORDER BY amount) FILTER (WHERE measure = 'wait'), '{{}}') AS waits
    FROM part GROUP BY hour, {_PART}
"""  # noqa: S608  likewise
"""The columns of usage hours, one row for each span and all that it is grouped by. Takes what `arguments` answers."""


def arguments(slots: Sequence[tuple[datetime, datetime]]) -> dict[str, Any]:
    """For `DERIVED`, of these spans, of which no two overlap; an hour of the answer is a span's beginning."""
    return {
        "slots_since": [since for since, _ in slots],
        "slots_until": [until for _, until in slots],
        "since": min(since for since, _ in slots),
        "until": max(until for _, until in slots),
        "unfinished": sorted(set(JobState) - TERMINAL_STATES),
        "owner": sorted(reasons_that(payer=RetryBudget.OWNER)),
        "platform": sorted(reasons_that(payer=RetryBudget.PLATFORM)),
    }
