"""Moves of running jobs to other nodes: how far one has come, and when it is given up.

A move begins with a stop: the job saves its work, gives its place back and starts where room is kept for it. Whatever
comes between, the job is nobody's prisoner: a move that fails or is cancelled leaves it in line like any other, and it
prefers the nodes where it was.
"""

from dataclasses import dataclass
from enum import StrEnum

from scheduling.lifecycle import TERMINAL_STATES, EndReason, JobState
from scheduling.reasons import listed


class MoveState(StrEnum):
    """Stopping, stopped and placed are under way; the others are the end."""

    STOPPING = "stopping"
    STOPPED = "stopped"
    PLACED = "placed"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = frozenset({MoveState.DONE, MoveState.FAILED, MoveState.CANCELLED})
CANCELLABLE = frozenset({MoveState.STOPPING, MoveState.STOPPED})
"""Who has a place already starts there: there is nothing to take back."""


class MoveOrigin(StrEnum):
    """Who wanted the move: somebody who asked for it, the planner for a waiting job, or the drain of a node."""

    ASKED = "asked"
    REBALANCING = "rebalancing"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """The first attempt after the stop."""

    nodes: tuple[str, ...]
    started: bool = False
    end_reason: str = ""  # empty: it is not over


@dataclass(frozen=True, slots=True)
class MoveFacts:
    """What is known of a move. `targets` are the nodes that it is to end on; none: any. `gone` are those that take no jobs."""

    targets: tuple[str, ...]
    job_state: JobState
    end_reason: str = ""  # of the attempt that is stopped; empty: it is not over
    stopped_for: float = 0.0  # seconds since it was over
    gone: tuple[str, ...] = ()
    next: NextAttempt | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    state: MoveState
    message: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in OVER


def stage_of(facts: MoveFacts, patience_seconds: float) -> Stage:
    """How far the move has come; it is given up where its target is lost, or `patience_seconds` after the stop without a place there."""
    if facts.next is not None:
        return _with_a_place(facts, facts.next)
    if facts.end_reason and facts.job_state != JobState.PENDING:
        return Stage(
            MoveState.CANCELLED, f"The job is {facts.job_state}: it ended ({facts.end_reason}) before it had moved."
        )
    if facts.gone:
        return Stage(MoveState.FAILED, f"{_nodes(facts.gone)} no jobs any more: the job goes on elsewhere.")
    if not facts.end_reason:
        return Stage(MoveState.STOPPING)
    if facts.targets and facts.stopped_for > patience_seconds:
        return Stage(
            MoveState.FAILED,
            f"It found no place on {listed(facts.targets)} within {patience_seconds:g} s: the job goes on elsewhere.",
        )
    return Stage(MoveState.STOPPED)


def _with_a_place(facts: MoveFacts, after: NextAttempt) -> Stage:
    where = listed(after.nodes)
    if after.started and (not facts.targets or set(after.nodes) == set(facts.targets)):
        return Stage(MoveState.DONE)
    if after.started:
        return Stage(MoveState.FAILED, f"The job goes on on {where} instead of {listed(facts.targets)}.")
    if not after.end_reason:
        return Stage(MoveState.PLACED)
    if facts.job_state in TERMINAL_STATES and after.end_reason == EndReason.CANCELLED:
        return Stage(MoveState.CANCELLED, "The job was cancelled before it ran there.")
    return Stage(
        MoveState.FAILED, f"It ended on {where} before it ran there ({after.end_reason}): the job goes on elsewhere."
    )


def _nodes(names: tuple[str, ...]) -> str:
    return f"Node {names[0]} takes" if len(names) == 1 else f"Nodes {listed(names)} take"
