"""How much GPU time running jobs have ahead, and how it shrinks.

In thousandths of a GPU-second, whole numbers, rounded up for each job: sums lose nothing, and never say too little.
"""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import NamedTuple

from scheduling.resources import WHOLE_GPU, total
from scheduling.run_times import last_moment, latest_end
from scheduling.snapshot import Limits, ProjectView, RunningJob, chain_of

NAME = "gpu_seconds_ahead"
"""Of the limit, as `Limits` has it."""


class Course(NamedTuple):
    """So many thousandths of GPUs for so many seconds more; `shrinks` while its clock runs."""

    gpu_milli: int
    seconds: float
    shrinks: bool = True

    def ahead_in(self, seconds: float) -> int:
        """What is ahead of it after so long."""
        left = self.seconds - seconds if self.shrinks else self.seconds
        return needed(self.gpu_milli, left)


def needed(gpu_milli: int, seconds: float) -> int:
    """What a job with so much of GPUs may use in so long."""
    return ceil(gpu_milli * seconds) if seconds > 0 else 0


def course_of(job: RunningJob, now: float, assumed_limit: float) -> Course:
    """Of a job that runs: up to its limit, or to the moment at which it is killed, if it was told to leave."""
    gpu_milli = total(share.amount for share in job.shares).all_gpu_milli
    if job.leaving:
        return Course(gpu_milli, last_moment(job, now, assumed_limit) - now)
    if job.suspended_since is not None and job.expected_end is not None:
        return Course(gpu_milli, job.expected_end - now, shrinks=False)
    if job.started_at is None and job.placed_at is not None and job.expected_end is not None:
        return Course(gpu_milli, job.expected_end - job.placed_at, shrinks=False)  # its clock has not begun to run
    return Course(gpu_milli, latest_end(job, now, assumed_limit) - now)


def most_of(limits: Limits | None) -> int | None:
    """The limit in thousandths of a GPU-second, where there is one that holds jobs back."""
    if limits is None or not limits.enforced or limits.gpu_seconds_ahead is None:
        return None
    return limits.gpu_seconds_ahead * WHOLE_GPU


def is_limited(limits: Limits | None) -> bool:
    """Whether it is limited, enforced or only observed, for all together or for each user."""
    return limits is not None and (
        limits.gpu_seconds_ahead is not None
        or (limits.each_user is not None and limits.each_user.gpu_seconds_ahead is not None)
    )


def ahead_by_project(
    running: Iterable[RunningJob], projects: Mapping[str, ProjectView], now: float, assumed_limit: float
) -> dict[str, int]:
    """What each project and all below it have ahead. One that has nothing is not in it."""
    found: dict[str, int] = {}
    for job in running:
        own = course_of(job, now, assumed_limit).ahead_in(0)
        for project in chain_of(job.project, projects) if own else ():
            found[project.slug] = found.get(project.slug, 0) + own
    return found


def in_seconds(amount: int) -> int:
    """In GPU-seconds, rounded up."""
    return -(-amount // WHOLE_GPU)
