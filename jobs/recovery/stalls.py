"""Jobs without progress for long: first a word in their history, then what the job chose.

Each attempt is judged by its own clock, and only where it shows no other sign of life either: what its command prints
and reports, and the work of its processes, as its agents tell.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from jobs.models import Job, JobEvent, Placement
from jobs.state import transitions
from jobs.state.desired import STALL
from scheduling.lifecycle import JobState
from scheduling.reasons import listed

SWEEP = 500
WARNED, STALLED, STILL_ALIVE = "stall_warning", "stalled", "no_progress"
# In a cluster that does not answer nobody knows what a job does, and what it did before counts from its answer on only.
# The limit is its own one after a progress of 1.0 (or the word that it is done), while all ranks are there. A gang of
# which a rank has ended well is judged from then on whether or not it reports: the others should follow.
WITHOUT_PROGRESS = """
    SELECT * FROM (
        SELECT job.id, job.stall_action, job.nodes, attempt.id AS attempt_id,
               greatest(coalesce(job.progress_at, rank.first_over), cluster.reached_since) AS progress_at,
               greatest(job.progress_at, rank.active_at, rank.last_over, cluster.reached_since) AS alive_at,
               CASE WHEN rank.last_over IS NULL AND (job.progress >= 1 OR job.said_done)
                    THEN greatest(coalesce(job.stall_seconds, %s), %s) ELSE coalesce(job.stall_seconds, %s) END AS patience,
               statement_timestamp() AS now
        FROM jobs_job AS job
        JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.ended_at IS NULL
        CROSS JOIN LATERAL (
            SELECT max(active_at) FILTER (WHERE closed_at IS NULL) AS active_at,
                   min(closed_at) AS first_over, max(closed_at) AS last_over
            FROM jobs_placement WHERE attempt_id = attempt.id
        ) AS rank
        LEFT JOIN workers_node AS node ON node.id = job.node_id
        LEFT JOIN workers_cluster AS cluster ON cluster.id = node.cluster_id
        WHERE (cluster.id IS NULL OR cluster.reached_at >= statement_timestamp() - make_interval(secs => %s))
          AND job.state = 'running' AND job.desired = '' AND job.suspended_at IS NULL
          AND (job.progress_at IS NOT NULL OR rank.first_over IS NOT NULL)
    ) AS running
    WHERE progress_at < now - make_interval(secs => patience / 2.0)
    ORDER BY id
"""


class Still(NamedTuple):
    """A job that has made no progress for half of its patience or longer; `alive_at` counts all signs of life."""

    job_id: int
    stall_action: str
    nodes: int
    attempt_id: int
    progress_at: datetime
    alive_at: datetime
    patience: float
    now: datetime

    @property
    def silent(self) -> float:
        """For which part of its patience it has shown no sign of life."""
        return (self.now - self.alive_at).total_seconds() / self.patience

    @property
    def late(self) -> bool:
        """Whether its patience is over by its progress alone."""
        return (self.now - self.progress_at).total_seconds() > self.patience


def detect() -> int:
    """One look at all that runs; returns how many jobs are stopped for it. A suspended job does not stall."""
    still = _without_progress()
    # A word comes before any stop: an owner should find in the history why, and when it began.
    _note([one for one in still if one.silent <= 1 / 2 and one.late], STILL_ALIVE, since="progress_at")
    _note([one for one in still if one.silent > 1 / 2], WARNED)
    over = [one for one in still if one.silent > 1][:SWEEP]
    _note([one for one in over if one.stall_action == "warn"], STALLED)
    return _stop([one for one in over if one.stall_action == "stop"])


def _without_progress() -> list[Still]:
    usual = settings.STALL_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT_PROGRESS, [usual, settings.FINISH_SECONDS, usual, settings.LEASE_SECONDS])
        return [Still(*row) for row in cursor.fetchall()]


def _stop(jobs: Sequence[Still]) -> int:
    for one in jobs:
        # By compare-and-set, one by one: since it was looked at, it may have ended, or somebody has other wishes for it.
        still = Job.objects.filter(pk=one.job_id, state=JobState.RUNNING, desired="", suspended_at__isnull=True)
        if still.update(desired=STALL):
            transitions.note([one.job_id], STALLED, message=_message(one, STALLED))
    return len(jobs)


def _note(jobs: Iterable[Still], kind: str, since: str = "alive_at") -> None:
    """Once for each time that it stood still."""
    wanted = {one.job_id: one for one in list(jobs)[:SWEEP]}
    told = JobEvent.objects.filter(job__in=wanted, kind=kind).order_by("id").values_list("job_id", "at")
    last = dict(told)
    for job_id, one in wanted.items():
        if job_id not in last or last[job_id] <= getattr(one, since):
            transitions.note([job_id], kind, message=_message(one, kind))


def _message(one: Still, kind: str) -> str:
    """What is known of it; of a gang also which ranks are still there."""
    who = f"{_open_ranks(one.attempt_id)}: " if one.nodes > 1 else ""
    if kind == STILL_ALIVE:
        return f"{who}No progress for {one.patience:g} s, but there is output, or its processes work: it goes on."
    quiet = "No progress, no output and no work of its processes"
    if kind == WARNED:
        return f"{who}{quiet} for half of the {one.patience:g} s that the job may be without any."
    follows = "it goes on." if one.stall_action == "warn" else "its node stops it."
    return f"{who}{quiet} for longer than {one.patience:g} s; {follows}"


def _open_ranks(attempt_id: int) -> str:
    """The ranks that have not ended, those first that have been without a sign of life for longest."""
    left = Placement.objects.filter(attempt=attempt_id, closed_at__isnull=True).order_by("active_at", "rank")
    return listed(f"rank {rank} on {node}" for rank, node in left.values_list("rank", "node__name"))
