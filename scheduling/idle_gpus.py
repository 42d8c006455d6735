"""What becomes of a job whose GPUs idle: which rung of its rule's ladder comes next, and whether its time has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import inf

from scheduling.errors import FieldError
from scheduling.priorities import HIGHEST

MOST_MINUTES = 525_600
MOST_REQUEUES = 100


class Rung(StrEnum):
    """In the order in which they are climbed."""

    WARN = "warn"
    SUGGEST = "suggest"  # says what its owner can do
    REQUEUE = "requeue"  # saves its work, and goes back in line with a lower priority
    STOP = "stop"


LEAVING = frozenset({Rung.REQUEUE, Rung.STOP})
"""Rungs with which the job gives its GPUs back."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """After how many minutes in which none of its GPUs worked what happens to a job; None: it never does.

    The first `start_minutes` of an attempt do not count: data is loaded. A job that was requeued `max_requeues` times
    for its idle GPUs is not requeued again: what is left is to stop it, where the rule says so.
    """

    warn_minutes: int | None = None
    suggest_minutes: int | None = None
    requeue_minutes: int | None = None
    stop_minutes: int | None = None
    requeue_priority: int = 10
    max_requeues: int = 1
    start_minutes: int = 10

    def minutes(self, rung: Rung) -> int | None:
        found: int | None = getattr(self, f"{rung}_minutes")
        return found

    @property
    def least_minutes(self) -> float:
        """When its first rung comes; infinite: it has none."""
        return min((found for rung in Rung if (found := self.minutes(rung)) is not None), default=inf)


OFF = Ladder()


@dataclass(frozen=True, slots=True)
class IdleJob:
    """A running job of which no GPU works, by the word of all its nodes.

    `taken`: the rungs that it has climbed in this stretch, and how many seconds ago. `requeued`: how often it was, ever.
    """

    idle_seconds: float
    ran_seconds: float
    checkpointable: bool = False
    requeued: int = 0
    taken: Mapping[Rung, float] = field(default_factory=dict)


def next_rung(ladder: Ladder, job: IdleJob) -> Rung | None:
    """The rung whose time has come; None: none has.

    They are climbed one by one, with the time between two of them: who has just been warned, as a rule is new or nobody
    looked for an hour, has as long as anybody to do something.
    """
    idle = min(job.idle_seconds, job.ran_seconds - ladder.start_minutes * 60)
    before, since_before = 0, inf
    for rung, minutes in _rungs(ladder, job):
        if rung not in job.taken:
            due = idle >= minutes * 60 and since_before >= (minutes - before) * 60
            return rung if due else None
        before, since_before = max(before, minutes), job.taken[rung]
    return None


def _rungs(ladder: Ladder, job: IdleJob) -> list[tuple[Rung, int]]:
    """Those that this job may climb, in order. What would come no earlier than the job leaves is left out: two rules in one."""
    found: list[tuple[Rung, int]] = []
    leaves = inf
    for rung in reversed(Rung):
        minutes = ladder.minutes(rung)
        climbs = rung != Rung.REQUEUE or (job.checkpointable and job.requeued < ladder.max_requeues)
        if minutes is not None and climbs and minutes < leaves:
            found.append((rung, minutes))
            leaves = minutes if rung in LEAVING else leaves
    return found[::-1]


def following(ladder: Ladder, job: IdleJob, rung: Rung) -> tuple[Rung, int] | None:
    """The rung after this one with which the job leaves, and its minutes; None: it may stay as it is."""
    order = list(Rung)
    later = (one for one in _rungs(ladder, job) if order.index(one[0]) > order.index(rung))
    return next((one for one in later if one[0] in LEAVING), None)


def stricter(one: Ladder, other: Ladder) -> Ladder:
    """Both: each rung at the earlier of its two times, the lower priority, the fewer requeues, the shorter start."""
    if inf in (one.least_minutes, other.least_minutes):
        return other if one.least_minutes == inf else one
    times = {f"{rung}_minutes": _earlier(one.minutes(rung), other.minutes(rung)) for rung in Rung}
    return Ladder(
        requeue_priority=min(one.requeue_priority, other.requeue_priority),
        max_requeues=min(one.max_requeues, other.max_requeues),
        start_minutes=min(one.start_minutes, other.start_minutes),
        **times,
    )


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((minutes for minutes in (one, other) if minutes is not None), default=None)


def faults(ladder: Ladder) -> list[FieldError]:
    """What is wrong with a rule, by field."""
    found = [_between(f"{rung}_minutes", ladder.minutes(rung), 1, MOST_MINUTES) for rung in Rung]
    found.append(_between("requeue_priority", ladder.requeue_priority, 0, HIGHEST))
    found.append(_between("max_requeues", ladder.max_requeues, 1, MOST_REQUEUES))
    found.append(_between("start_minutes", ladder.start_minutes, 0, MOST_MINUTES))
    return [one for one in found if one is not None] or [*_out_of_order(ladder), *_unheard(ladder)]


def _between(name: str, value: int | None, least: int, most: int) -> FieldError | None:
    if value is None or least <= value <= most:
        return None
    return FieldError(name, f"Must be from {least} to {most}.", "out_of_range")


def _out_of_order(ladder: Ladder) -> Iterable[FieldError]:
    given = [(rung, minutes) for rung in Rung if (minutes := ladder.minutes(rung)) is not None]
    for (before, earlier), (rung, later) in pairwise(given):
        if later <= earlier:
            yield FieldError(
                f"{rung}_minutes", f"Must be more than the {earlier} minutes of {before}_minutes.", "order"
            )


def _unheard(ladder: Ladder) -> Iterable[FieldError]:
    """Nobody loses GPUs of which nothing was said before."""
    if ladder.warn_minutes is None and (ladder.requeue_minutes or ladder.stop_minutes):
        yield FieldError(
            "warn_minutes", "Must be set where jobs are requeued or stopped: a warning comes first.", "order"
        )


def freed_seconds(ran_seconds: float, run_times: Iterable[float | None]) -> float:
    """For how long the job would have gone on: to the first of these run times that it has not outlived; 0: nobody knows."""
    return next((until - ran_seconds for until in run_times if until and until > ran_seconds), 0.0)
