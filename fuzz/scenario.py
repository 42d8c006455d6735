"""One world and all that happens in it, as values: drawn before it is played, so that a part of it can be left out."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from scheduling.snapshot import Snapshot, WaitingJob

BEGIN = 1_000_000.0
"""The moment at which every world begins."""


class After(StrEnum):
    """What a job has to wait for in another."""

    OK = "ok"
    ANY = "any"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job as it is submitted, and what only the world knows of it: how long it runs, and how it ends."""

    job: WaitingJob
    seconds: float
    leaves_in: float  # so long it takes to go when it is told to stop
    fails: bool = False
    needs: tuple[tuple[int, After], ...] = ()
    waits_in_vain: bool = False  # when what it needs can no longer come true; else it ends then


@dataclass(frozen=True, slots=True)
class Event:
    """Something that somebody does, or that happens to a machine."""

    moment: float
    kind: str  # the name of a function in `events`
    target: Any
    value: Any = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """`empty` has the nodes, queues, projects, reservations and rules, and no job yet."""

    seed: int
    empty: Snapshot
    arrivals: tuple[Arrival, ...]
    events: tuple[Event, ...]
    days: float

    @property
    def end(self) -> float:
        return BEGIN + self.days * 86_400

    def with_jobs(self, ids: Collection[int]) -> "Scenario":
        """The same world with some of its jobs only."""
        return replace(self, arrivals=tuple(one for one in self.arrivals if one.job.id in ids))
