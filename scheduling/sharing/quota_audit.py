"""What is wrong with the books of what jobs hold: job by job, and what each mistake adds to the usage of quotas or hides of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from scheduling.resources import ZERO, Resources, total


class Book(StrEnum):
    """What the planner's usage is compared with."""

    ROWS = "rows"  # states and attempts of jobs
    GPU_HOLDS = "gpu_holds"  # the rows by which a GPU is held once
    AGENTS = "agents"  # what agents say that they run


class Mistake(StrEnum):
    """What contradicts what."""

    ENDED_ATTEMPT = "ended_attempt"  # an open placement of an attempt that is over
    STALE_ATTEMPT = "stale_attempt"  # an open attempt that is not its job's, or whose job holds nothing
    NO_ATTEMPT = "no_attempt"  # a job that holds resources, and has no open attempt
    NO_PLACEMENT = "no_placement"  # an open attempt that lacks placements
    AMOUNT = "amount"  # a placement holds something else than its job asked for
    GPU_HOLD = "gpu_hold"  # a GPU that is held for nobody, or is not held though it was given
    PLANNER = "planner"  # the planner reads something else than what stands in the rows
    UNKNOWN_TO_AGENT = "unknown_to_agent"  # leased, and its agent does not run it
    UNKNOWN_TO_ROWS = "unknown_to_rows"  # an agent runs it, and it is closed or not there


BOOKS: Mapping[Mistake, Book] = {
    Mistake.GPU_HOLD: Book.GPU_HOLDS,
    Mistake.UNKNOWN_TO_AGENT: Book.AGENTS,
    Mistake.UNKNOWN_TO_ROWS: Book.AGENTS,
}
TOLD_ONLY = frozenset({Mistake.PLANNER, Mistake.UNKNOWN_TO_AGENT, Mistake.UNKNOWN_TO_ROWS})
"""What nobody mends by the rows alone."""
RESOURCES = ("gpus", "cpus", "memory_mb", "running_jobs")


class HeldShare(NamedTuple):
    """An open placement. `gpus` are those that it was given, `holds` those that are held for it."""

    placement: int
    attempt: int
    attempt_over: bool
    cpus: int
    memory_mb: int
    gpus: Sequence[int]
    holds: Sequence[int]
    leased: bool  # its node may still run it, whatever the rows say

    @property
    def amount(self) -> Resources:
        return Resources(self.cpus, self.memory_mb, len(self.gpus))


@dataclass(frozen=True, slots=True)
class JobBooks:
    """One job as its rows have it: what it asks for on each node, its open attempts by number, its open placements.

    `placed`: by its state it holds resources. `ended`: of its present attempt, members whose placements were closed.
    """

    job: int
    project: str
    placed: bool
    attempt: int
    nodes: int
    each: Resources
    open_attempts: Sequence[int] = ()
    shares: Sequence[HeldShare] = ()
    ended: int = 0

    @property
    def held(self) -> Resources:
        """By its placements: so the planner counts."""
        return total(share.amount for share in self.shares)

    @property
    def due(self) -> Resources:
        """By its state and its attempt."""
        return self.each * (self.nodes - self.gone) if self.placed else ZERO

    @property
    def gone(self) -> int:
        """Members of a gang may end before the others."""
        return min(self.ended, self.nodes) if self.nodes > 1 else 0

    @property
    def is_open(self) -> bool:
        return self.attempt in self.open_attempts

    @property
    def leased(self) -> bool:
        return any(share.leased for share in self.shares)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake. `off` is by how much it makes the planner's usage wrong; negative: what is used is not counted."""

    mistake: Mistake
    job: int
    project: str
    sentence: str
    off: Resources = ZERO
    jobs: int = 0
    placement: int = 0

    @property
    def key(self) -> str:
        """The same as long as it is the same mistake."""
        return f"{self.mistake}:{self.job}:{self.placement}"

    @property
    def book(self) -> Book:
        return BOOKS.get(self.mistake, Book.ROWS)


def mistakes(one: JobBooks) -> list[Finding]:
    """All that is wrong with a job. What they make wrong together is what its placements hold beyond what it is due."""
    found = [*_attempts(one), *_members(one), *_shares(one)]
    more = int(bool(one.shares)) - int(one.placed)
    if one.held == one.due and not more:
        return found
    # The difference counts once, whatever it comes from.
    at = next((number for number, each in enumerate(found) if each.book == Book.ROWS), None)
    if at is None:
        return [*found, replace(_finding(one, Mistake.AMOUNT, "its sums differ"), off=one.held - one.due, jobs=more)]
    found[at] = replace(found[at], off=one.held - one.due, jobs=more)
    return found


def _attempts(one: JobBooks) -> Iterator[Finding]:
    for number in one.open_attempts:
        if not one.placed or number != one.attempt:
            why = f"its attempt {number} is open, and the job" + (
                f" is at attempt {one.attempt}" if one.placed else " holds nothing by its state"
            )
            yield _finding(one, Mistake.STALE_ATTEMPT, why)
    for share in one.shares:
        if share.attempt_over:
            why = f"placement {share.placement} was open, and its attempt {share.attempt} is over"
            yield _finding(one, Mistake.ENDED_ATTEMPT, why, share.placement)


def _members(one: JobBooks) -> Iterator[Finding]:
    if not one.placed:
        return
    present = [share for share in one.shares if share.attempt == one.attempt and not share.attempt_over]
    if not one.is_open:
        yield _finding(
            one, Mistake.NO_ATTEMPT, f"by its state it has a place, and its attempt {one.attempt} is not open"
        )
    elif not present or len(present) + one.gone < one.nodes:
        why = f"its attempt {one.attempt} is open and has {len(present)} of {one.nodes - one.gone} placements"
        yield _finding(one, Mistake.NO_PLACEMENT, why)


def _shares(one: JobBooks) -> Iterator[Finding]:
    for share in one.shares:
        if share.attempt_over or not one.placed or share.attempt != one.attempt:
            continue
        if share.amount != one.each:
            why = f"placement {share.placement} holds {_words(share.amount)}, and the job asks for {_words(one.each)}"
            yield _finding(one, Mistake.AMOUNT, why, share.placement)
        elif set(share.holds) != set(share.gpus):
            why = f"placement {share.placement} was given GPUs {list(share.gpus)}, and {list(share.holds)} are held for it"
            missing = Resources(gpus=len(set(share.gpus) ^ set(share.holds)))
            yield Finding(Mistake.GPU_HOLD, one.job, one.project, why, missing, placement=share.placement)


def _finding(one: JobBooks, mistake: Mistake, why: str, placement: int = 0) -> Finding:
    return Finding(mistake, one.job, one.project, why, placement=placement)


def read_otherwise(planned: Mapping[int, Resources], books: Iterable[JobBooks]) -> Iterator[Finding]:
    """Jobs of which the planner's reading is not what their placements hold."""
    held = {one.job: one for one in books if one.shares}
    for job in planned.keys() | held.keys():
        read = planned.get(job, ZERO)
        stands = held[job].held if job in held else ZERO
        if read != stands:
            why = f"the planner counts {_words(read)}, and its placements hold {_words(stands)}"
            project = held[job].project if job in held else ""
            yield Finding(Mistake.PLANNER, job, project, why, read - stands, int(job in planned) - int(job in held))


def drift(findings: Iterable[Finding]) -> dict[Book, dict[str, int]]:
    """By how much the planner's usage and each of the other books differ, all mistakes added up; zeros where they agree."""
    sums = {book: dict.fromkeys(RESOURCES, 0) for book in Book}
    for one in findings:
        amounts = (one.off.gpus, one.off.cpus, one.off.memory_mb, one.jobs)
        for name, amount in zip(RESOURCES, amounts, strict=True):
            sums[one.book][name] += abs(amount)
    return sums


def _words(amount: Resources) -> str:
    return f"{amount.gpus} GPUs, {amount.cpus} CPUs and {amount.memory_mb} MB"
