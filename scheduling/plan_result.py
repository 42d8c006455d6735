"""What a plan consists of: placements, waits, reservations and preemptions, as values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from scheduling.longest_wait import LongestWait
from scheduling.reasons import Reason
from scheduling.snapshot import Allocation, Shadow


class Criterion(NamedTuple):
    """A node in one respect: what that is (None: nobody knows), scaled from 0, good, to 1, bad, and how much it counts."""

    name: str
    value: float | None
    scaled: float
    weight: float


class Candidate(NamedTuple):
    """A node where a job has a place, the less its score the better. A strategy that scores nothing says it in words."""

    node: str
    score: float | None = None
    criteria: tuple[Criterion, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a job goes where it goes: by which strategy, which one that has picked and why, and the nodes it had to choose from.

    `candidates` are those that were chosen and the best of the others, a few of `able` nodes that had a place.
    """

    strategy: str
    picked: str = ""
    why: str = ""
    candidates: tuple[Candidate, ...] = ()
    able: int = 0


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job that may start now, and where: one share for each of its nodes, in the order of their ranks.

    A strategy that goes by more than the nodes says why it is there.
    """

    job_id: int
    shares: tuple[Allocation, ...]
    decision: Decision | None = None


class PendingJob(
    NamedTuple
):  # not a dataclass: a plan may hold a hundred thousand, and this is made three times as fast
    """A job that still waits, and all that keeps it: at least one reason."""

    job_id: int
    reasons: tuple[Reason, ...]


new_wait: Callable[[tuple[int, tuple[Reason, ...]]], PendingJob] = partial(tuple.__new__, PendingJob)
"""A wait of its two parts, at a third of the cost of naming them."""


@dataclass(frozen=True, slots=True)
class PlannedReservation:
    """Room that is kept for a waiting job: when it can start at the latest, if nobody runs beyond its limit."""

    job_id: int
    start: float
    shares: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class PlannedPreemption:
    """A running job that gives way to a waiting one, and what that costs in seconds of work to be done again."""

    job_id: int
    for_job: int
    strategy: str
    lost_seconds: float


class WhyBroken(StrEnum):
    """Why the start that a job has in the shadow schedule cannot come true, or comes late."""

    HELD = "held"
    LATE = "late"
    NODE = "node"
    PREEMPTED = "preempted"
    QUEUE = "queue"
    QUOTA = "quota"
    RESERVED = "reserved"


class BrokenPromise(NamedTuple):
    """A job that starts later than a floor has promised. `subjects` are what is in its way: nodes, jobs or a quota, by name."""

    job_id: int
    why: WhyBroken
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, whom to stop for it, what waits and why, and the line: the ids of those that wait, in planning order.

    `eligible` are those of the line that could start once there is room: only they have a place in it to be told.
    `alerts` are sentences for the operator: a policy that failed and was replaced by the default order. Under a policy that
    keeps a floor, `shadow` is to be given to the next plan, `broken` are the promises that this one could not keep, and at
    `next_at` there is something to plan again at the latest. `longest_wait` is to be given to the next plan too.
    """

    placements: tuple[PlannedJob, ...]
    waits: tuple[PendingJob, ...]
    line: tuple[int, ...]
    reservations: tuple[PlannedReservation, ...] = ()
    preemptions: tuple[PlannedPreemption, ...] = ()
    alerts: tuple[str, ...] = ()
    eligible: tuple[int, ...] = ()
    shadow: Shadow | None = None
    next_at: float | None = None
    broken: tuple[BrokenPromise, ...] = ()
    longest_wait: LongestWait = field(default_factory=LongestWait)
