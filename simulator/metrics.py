"""The figures of a replay."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from statistics import fmean, median
from typing import Any, NamedTuple

from scheduling.sharing.fairness import jain_index
from simulator.outcome import JobOutcome, Outcome, Run

HOUR = 3_600
SAME_MOMENT_S = 1e-6


@dataclass(frozen=True, slots=True)
class Metrics:
    """Waits, run times and the makespan are in seconds; lost work in hours of a CPU or GPU.

    p95: by linear interpolation between the two nearest waits, as numpy has it. Utilisation: the part of the cluster that was
    busy between the first and the last submission. Makespan: from the first submission to the last end; its lower bound
    is what no scheduler could beat. Fairness: Jain's index of the mean bounded slowdowns of the users that are known, 1
    when all are equal; None where no user is known. Late: the part of the jobs with a deadline that ended after it.
    """

    jobs: int
    mean_wait_s: float
    median_wait_s: float
    p95_wait_s: float
    max_wait_s: float
    mean_bounded_slowdown: float
    median_bounded_slowdown: float
    utilisation: float
    makespan_s: float
    makespan_over_bound: float
    fairness: float | None
    preemptions: int
    lost_hours: float
    prediction_error_s: float | None = None  # mean of |expected - run|, over the jobs of which something was expected
    prediction_accuracy: float | None = None  # mean of the smaller of the two over the larger
    late: float | None = None
    lost_part: float = 0.0  # of all work, what was done twice
    plans: int = 0
    # By prices: all that was paid, and what of it for work that stops took and for going on.
    cost: Decimal | None = None
    lost_cost: Decimal | None = None
    # By projects: hours of a GPU (of a CPU, where there are none) beyond nominal quota, and of nominal quota that had to be
    # given back first; Jain's index of what was received of what one was entitled to; how many had to wait for others to go.
    borrowed_hours: float | None = None
    lent_hours: float | None = None
    project_fairness: float | None = None
    user_fairness: float | None = None
    given_back: int | None = None
    mean_quota_wait_s: float | None = None
    max_quota_wait_s: float | None = None

    def as_dict(self) -> dict[str, float | str | None]:
        """Amounts of money are texts, as REST has them."""
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}


def measure(outcome: Outcome, size: int) -> Metrics:
    """The figures of one replay on a cluster of that size."""
    jobs = outcome.jobs
    waits = sorted(job.wait_s for job in jobs)
    slowdowns = [job.bounded_slowdown for job in jobs]
    first = min(job.job.trace.submit_s for job in jobs)
    last = max(job.job.trace.submit_s for job in jobs)
    end = max(job.end for job in jobs)
    error, accuracy = _prediction(jobs)
    return Metrics(
        jobs=len(jobs),
        mean_wait_s=fmean(waits),
        median_wait_s=median(waits),
        p95_wait_s=percentile(waits, 95),
        max_wait_s=waits[-1],
        mean_bounded_slowdown=fmean(slowdowns),
        median_bounded_slowdown=median(slowdowns),
        utilisation=utilisation(outcome.runs, size, first, last if last > first else end),
        makespan_s=end - first,
        makespan_over_bound=(end - first) / _makespan_bound(jobs, size),
        fairness=jain_index(_mean_by_user(jobs)),
        preemptions=sum(job.preemptions for job in jobs),
        lost_hours=sum(job.lost_s * job.width for job in jobs) / HOUR,
        prediction_error_s=error,
        prediction_accuracy=accuracy,
        late=_late_part(jobs),
        lost_part=_lost_part(jobs),
        plans=outcome.plans,
    )


def _lost_part(jobs: Iterable[JobOutcome]) -> float:
    """Of no work, as where no job has a GPU and only these are counted, nothing is lost."""
    done = sum(job.job.run_s * job.width for job in jobs)
    return sum(job.lost_s * job.width for job in jobs) / done if done else 0.0


class Later(NamedTuple):
    """How many jobs ended later than in another replay of the same trace, and by how many seconds at most."""

    jobs: int
    at_most_s: float


def later_than(reference: Mapping[int, float], ends: Mapping[int, float]) -> Later:
    """By the ends of both. Moments that differ by less than a microsecond are the same: they are sums in another order."""
    behind = [late for number, end in ends.items() if (late := end - reference[number]) > SAME_MOMENT_S]
    return Later(len(behind), max(behind, default=0.0))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value at that part of the way from the smallest to the largest, between two values on the line between them."""
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def utilisation(runs: Iterable[Run], size: int, start: float, end: float) -> float:
    """The part of the cluster that was busy between two moments."""
    busy = math.fsum(one.width * max(0, min(one.end, end) - max(one.start, start)) for one in runs)
    return busy / (size * (end - start))


def _makespan_bound(jobs: Iterable[JobOutcome], size: int) -> float:
    """No schedule ends before any job could, nor before the work that arrives from any moment on could be done."""
    arriving = sorted(jobs, key=lambda job: -job.job.trace.submit_s)
    first = arriving[-1].job.trace.submit_s
    work = bound = 0.0
    for one in arriving:
        submit, run = one.job.trace.submit_s, one.job.run_s
        work += one.width * run
        bound = max(bound, submit - first + max(run, work / size))
    return bound


def _mean_by_user(jobs: Iterable[JobOutcome]) -> list[float]:
    by_user: dict[str, list[float]] = {}
    for one in jobs:
        if one.job.trace.user:
            by_user.setdefault(one.job.trace.user, []).append(one.bounded_slowdown)
    return [fmean(slowdowns) for slowdowns in by_user.values()]


def _prediction(jobs: Iterable[JobOutcome]) -> tuple[float | None, float | None]:
    known = [(one.predicted_s, one.job.run_s) for one in jobs if one.predicted_s]
    if not known:
        return None, None
    error = fmean(abs(expected - run) for expected, run in known)
    return error, fmean(min(expected, run) / max(expected, run) for expected, run in known)


def _late_part(jobs: Iterable[JobOutcome]) -> float | None:
    judged = [late for one in jobs if (late := one.is_late) is not None]
    return fmean(judged) if judged else None


SUMS = (
    "jobs", "preemptions", "lost_hours", "plans", "cost", "lost_cost", "borrowed_hours", "lent_hours", "given_back",
)  # fmt: skip
LONGEST = ("max_wait_s", "max_quota_wait_s")
MERGED: Mapping[str, Callable[[list[float]], float]] = {**dict.fromkeys(SUMS, sum), **dict.fromkeys(LONGEST, max)}


def mean_over(windows: Sequence[Metrics]) -> Metrics:
    """Several windows as one: counts are added, the maximum wait is the largest, all else is the windows' mean."""
    if len(windows) == 1:
        return windows[0]
    merged: dict[str, Any] = {}
    for field in fields(Metrics):
        values = [value for one in windows if (value := getattr(one, field.name)) is not None]
        merged[field.name] = MERGED.get(field.name, fmean)(values) if values else None
    return Metrics(**merged)
