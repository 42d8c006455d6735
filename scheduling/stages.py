"""A job from one stage to the next: as it runs once it is placed, and as it stands in line again once it has left."""

from collections.abc import Sequence

from scheduling.resources import Request
from scheduling.run_times import limit_of
from scheduling.snapshot import Allocation, RunningJob, WaitingJob


def started(job: WaitingJob, shares: tuple[Allocation, ...], now: float) -> RunningJob:
    """The job as it runs once it is placed there."""
    return RunningJob(
        id=job.id,
        project=job.project,
        queue=job.queue,
        priority=job.priority,
        shares=shares,
        started_at=now,
        expected_end=now + job.max_runtime_seconds if job.max_runtime_seconds else None,
        owner=job.owner,
        request=job.request,
        predicted_end=now + job.predicted_seconds if job.predicted_seconds else None,
        checkpointable=job.checkpointable,
        preemptible=job.preemptible,
        preemptions=job.preemptions,
        saved_seconds=job.saved_seconds,
        kind=job.kind,
        workload=job.workload,
    )


def in_line(job: RunningJob, since: float) -> WaitingJob:
    """The job as it stands in line since then: for what it asked for, or where nobody knows that for what it holds."""
    return WaitingJob(
        id=job.id,
        project=job.project,
        queue=job.queue,
        priority=job.priority,
        submitted_at=since,
        request=job.request or _request(job.shares),
        owner=job.owner,
        max_runtime_seconds=limit_of(job),
        checkpointable=job.checkpointable,
        preemptible=job.preemptible,
        preemptions=job.preemptions,
        kind=job.kind,
        workload=job.workload,
    )


def _request(shares: Sequence[Allocation]) -> Request:
    amount = shares[0].amount
    return Request(amount.cpus, amount.memory_mb, amount.gpus, nodes=len(shares))
