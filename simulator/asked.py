"""What the planner is told of a job of a trace, where the trace alone does not say it."""

import math
import random

from simulator.cleaning import CleanJob
from simulator.settings import RunTimes, Settings

NORMAL_PRIORITY = 50


def limit_of(job: CleanJob, run_times: RunTimes) -> int | None:
    """After how many seconds it would be stopped; None if nothing stops it."""
    return math.ceil(job.run_s) if run_times is RunTimes.EXACT else job.walltime_s


def priority_of(job: CleanJob) -> int:
    priority = job.trace.priority
    return NORMAL_PRIORITY if priority is None else priority


def saves_its_work(job: CleanJob, settings: Settings) -> bool:
    """Whether it is one of the jobs that do: the same ones in every replay."""
    drawn = random.Random(job.number).random()  # noqa: S311 - no secret
    return settings.checkpoint_s is not None and drawn < settings.checkpointable
