"""How much of its work a job has done, and how much of that no stop can take."""

from scheduling.snapshot import RunningJob


def work_done(job: RunningJob, now: float, restart_cost: float) -> float:
    """In seconds at full speed, all attempts together; to go on from saved work takes the restart cost."""
    if job.started_at is None:
        return job.saved_seconds
    return job.saved_seconds + max(0.0, now - job.started_at - _overhead(job, restart_cost))


def work_saved(job: RunningJob, restart_cost: float) -> float:
    """From where it would go on if it was stopped now."""
    if job.started_at is None or job.checkpoint_at is None or not job.checkpointable:
        return job.saved_seconds
    return job.saved_seconds + max(0.0, job.checkpoint_at - job.started_at - _overhead(job, restart_cost))


def work_lost(job: RunningJob, now: float, restart_cost: float) -> float:
    """What stopping it now costs: the work that it has not saved, and to start again. Not what it took to load saved work."""
    return work_done(job, now, restart_cost) - work_saved(job, restart_cost) + restart_cost


def head_start(saved: float, restart_cost: float) -> float:
    """How much of its shadow's work a stopped job may let pass before it has to start again, and not fall behind."""
    return saved - restart_cost if saved > restart_cost else 0.0


def _overhead(job: RunningJob, restart_cost: float) -> float:
    return restart_cost if job.saved_seconds else 0.0
