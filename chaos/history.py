"""What is known of a drill once it is over: the jobs' own diaries on one side, the platform's records on the other.

All moments are seconds on the machine's monotonic clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaos.books.records import Books
from chaos.diaries import DiaryRun
from chaos.submitting import Accepted


@dataclass(frozen=True, slots=True)
class Placed:
    """One share of an attempt on one node."""

    node: str
    rank: int
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt as the platform has it. `ended` is None while it is open."""

    number: int
    end_reason: str
    ended: float | None
    message: str = ""
    placements: Sequence[Placed] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a job; `new` is empty when it changed no state."""

    kind: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One job as the platform has it."""

    job_id: int
    state: str
    end_reason: str = ""
    exit_code: int | None = None
    message: str = ""
    attempts: Sequence[Attempted] = ()
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class Printed:
    """What the platform kept of one member's output, and the numbers and offsets of the pieces that are left of it."""

    job_id: int
    attempt: int
    rank: int
    text: bytes
    chunks: Sequence[tuple[int, int, int]] = ()
    """Number, offset, length."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """From when until when everything on a node stood still."""

    node: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Robbed:
    """An attempt of which somebody began to delete files at a moment when it ran, on the node with this folder.

    `own_files`: what the job works with, in all its attempts; otherwise what agent and shim keep of this one, its /tmp too.
    """

    job_id: int
    attempt: int
    home: str
    own_files: bool
    at: float


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the checks look at. `held` counts what is still held, by what it is; nothing should be."""

    accepted: Sequence[Accepted]
    jobs: Mapping[int, Recorded]
    runs: Sequence[DiaryRun]
    logs: Sequence[Printed] = ()
    held: Mapping[str, float] = field(default_factory=dict)
    breaches: Sequence[str] = ()
    """Moments at which more was held than a node has or a quota allows."""
    strays: Sequence[str] = ()
    refused: Sequence[str] = ()
    twins: Sequence[str] = ()
    """What second agents of a node did beside being refused."""
    robbed: Sequence[Robbed] = ()
    books: Books | None = None
    """Where there is a tree of projects with quotas, prices and budgets."""
