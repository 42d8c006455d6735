"""Made-up workloads that look like real ones: no file is needed to try a policy.

Sizes, run times and arrivals follow Lublin and Feitelson, "The workload on parallel supercomputers: modeling the
characteristics of rigid jobs" (JPDC 63(11), 2003), with the parameters that they publish for jobs of all types. The
model knows no walltimes, users, priorities and deadlines. Here an owner asks for the next round value above
run / accuracy, with an accuracy between 0 and 1 (Mu'alem and Feitelson, TPDS 2001; round values: Tsafrir, Etsion and
Feitelson, JSSPP 2005); few users own most jobs (the k-th most active one in proportion to 1/k). One job in ten is urgent
and three are background work, and one in three has a deadline, 2 to 20 walltimes after its submission; without these two
the jobs would be the same.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from simulator.trace import SimulationError, TraceJob

PREFIX = "synthetic"
DEFAULT_SEED = 1
DEFAULT_SIZE = 128
SMALLEST_SIZE = 8
SERIAL = 0.244  # the part of jobs on one processor
POWER_OF_TWO = 0.576  # the part on a power of two of them
LOW, MIDDLE_BELOW_HIGH, FIRST_STAGE = 0.8, 2.5, 0.86  # of the two-stage uniform distribution of log2(size)
SHORT, LONG = (4.2, 0.94), (312.0, 0.03)  # gamma distributions (shape, scale) of the log of the run time
SHORT_PART_BY_SIZE, SHORT_PART = -0.0054, 0.78
LONGEST_LOG_RUN = 12  # nothing runs longer than e^12 seconds, 45 hours
ARRIVAL_SHAPE, ARRIVAL_SCALE, ALL_OVER_RUSH = (
    10.2303,
    0.4871,
    1.0225,
)  # of the log of the time between rush-hour arrivals
LONGEST_LOG_GAP = 13
DAY_SHAPE, DAY_SCALE = 8.1737, 3.9631  # when in the day jobs come
BUCKETS, BUCKET_SECONDS, DAY_STARTS_AT = 48, 1800, 11
MINUTE, HOUR = 60, 3600
ROUND_WALLTIMES = tuple(
    [minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 20, 30, 45)]
    + [hours * HOUR for hours in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 24, 36, 48)]
)
JOBS_A_USER = 40
PRIORITIES, PARTS = (80, 50, 20), (1, 6, 3)  # urgent, normal and background
WITH_DEADLINE = 1 / 3
DEADLINE_WALLTIMES = (2, 20)


@dataclass(frozen=True, slots=True)
class Recipe:
    """So many jobs from this seed; the same recipe always gives the same jobs."""

    jobs: int
    seed: int = DEFAULT_SEED


def recipe(text: str) -> Recipe | None:
    """What `synthetic:JOBS[:SEED]` asks for; None if the text is the name of a file."""
    words = text.split(":")
    if words[0] != PREFIX:
        return None
    numbers = words[1:]
    if not 1 <= len(numbers) <= 2 or not all(word.isdecimal() for word in numbers) or not int(numbers[0]):  # noqa: PLR2004 - jobs and seed
        raise SimulationError(f"{text!r} is no synthetic workload: write synthetic:JOBS or synthetic:JOBS:SEED.")
    return Recipe(*(int(word) for word in numbers))


def generate(recipe: Recipe, size: int = DEFAULT_SIZE) -> tuple[TraceJob, ...]:
    """The jobs, for a machine of so many processors."""
    if size < SMALLEST_SIZE:
        raise SimulationError(f"The model needs a machine of {SMALLEST_SIZE} processors or more, not {size}.")
    chance, wishes = Random(recipe.seed), Random(f"wishes {recipe.seed}")  # noqa: S311 - no secret
    users = max(1, recipe.jobs // JOBS_A_USER)
    weights = list(itertools.accumulate(1 / place for place in range(1, users + 1)))
    return tuple(
        _wished(_job(number, submit, size, chance.choices(range(users), cum_weights=weights)[0], chance), wishes)
        for number, submit in enumerate(itertools.islice(_arrivals(chance), recipe.jobs), start=1)
    )


def _job(number: int, submit: int, size: int, user: int, chance: Random) -> TraceJob:
    width = min(size, _width(size, chance))
    run = _run_seconds(width, chance)
    return TraceJob(
        id=str(number),
        line=number,
        submit_s=submit,
        run_s=run,
        walltime_s=_walltime(run, chance),
        cpus=width,
        user=f"user-{user + 1}",
    )


def _wished(job: TraceJob, chance: Random) -> TraceJob:
    """With what its owner wishes for: a priority, and perhaps a deadline."""
    is_due, walltimes = chance.random() < WITH_DEADLINE, chance.uniform(*DEADLINE_WALLTIMES)
    deadline = job.submit_s + round(walltimes * (job.walltime_s or 0)) if is_due else None
    return replace(job, priority=chance.choices(PRIORITIES, PARTS)[0], deadline_s=deadline)


def _width(size: int, chance: Random) -> int:
    kind = chance.random()
    if kind <= SERIAL:
        return 1
    high = math.log2(size)
    middle = high - MIDDLE_BELOW_HIGH
    is_small = chance.random() <= FIRST_STAGE
    log = chance.uniform(LOW, middle) if is_small else chance.uniform(middle, high)
    if kind <= SERIAL + POWER_OF_TWO:
        log = round(log)
    return round(2**log)


def _run_seconds(width: int, chance: Random) -> int:
    short = min(1.0, max(0.0, SHORT_PART_BY_SIZE * width + SHORT_PART))
    while True:
        log = chance.gammavariate(*(SHORT if chance.random() <= short else LONG))
        if log <= LONGEST_LOG_RUN:
            return max(1, int(math.exp(log)))


def _walltime(run: int, chance: Random) -> int:
    wanted = run / (1 - chance.random())
    return next((value for value in ROUND_WALLTIMES if value >= wanted), ROUND_WALLTIMES[-1])


def _arrivals(chance: Random) -> Iterator[int]:
    """Moments in seconds from midnight on, for ever. The gaps of the rush hour are stretched where fewer jobs come."""
    weights = day_cycle()
    bucket, elapsed, points = 0, 0.0, 0.0
    while True:
        points += _gap(chance) / BUCKET_SECONDS
        while points > weights[bucket % BUCKETS]:
            points -= weights[bucket % BUCKETS]
            bucket += 1
        elapsed = BUCKET_SECONDS * (bucket + points / weights[bucket % BUCKETS])
        yield int(elapsed)


def _gap(chance: Random) -> float:
    while True:
        log = chance.gammavariate(ARRIVAL_SHAPE * ALL_OVER_RUSH, ARRIVAL_SCALE)
        if log <= LONGEST_LOG_GAP:
            return math.exp(log)


def day_cycle() -> list[float]:
    """How many jobs come in each half hour of the day, beside the mean half hour."""
    weights = [0.0] * BUCKETS
    for half_hour in range(DAY_STARTS_AT, DAY_STARTS_AT + BUCKETS):
        weights[(half_hour - 1) % BUCKETS] = _day_part(half_hour + 0.5) - _day_part(half_hour - 0.5)
    mean = sum(weights) / BUCKETS
    return [weight / mean for weight in weights]


def _day_part(until: float) -> float:
    """The gamma distribution's cumulative function, by its power series."""
    x = until / DAY_SCALE
    term = total = 1 / DAY_SHAPE
    for step in itertools.count(1):
        term *= x / (DAY_SHAPE + step)
        total += term
        if term < total * 1e-12:
            break
    return total * math.exp(DAY_SHAPE * math.log(x) - x - math.lgamma(DAY_SHAPE))
