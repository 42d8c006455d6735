"""What may be seen of a job right after everything on its node was frozen and goes on.

Its shim sees at once that its lease is over, but the command goes on in the same moment, and only the kernel knows who runs
first. So what shows a sign of life within a moment of a thaw counts as dead since the freeze; later, it does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from chaos.diaries import DiaryRun
from chaos.history import Frozen, Recorded

THAW_SECONDS = 0.5
"""Within this the shim has told the command to end, and has killed it. As long as its processes take to be scheduled."""


def settled(runs: Iterable[DiaryRun], jobs: Mapping[int, Recorded], frozen: Iterable[Frozen]) -> list[DiaryRun]:
    """The runs; those that were frozen and ended within a moment of the thaw, as if they had ended when they froze."""
    froze = list(frozen)
    return [_settled(run, _nodes_of(run, jobs), froze) for run in runs]


def _settled(run: DiaryRun, nodes: set[str], frozen: Iterable[Frozen]) -> DiaryRun:
    for one in frozen:
        if one.node in nodes and run.began < one.began and one.ended <= run.last <= one.ended + THAW_SECONDS:
            return replace(run, last=max(run.began, one.began))
    return run


def _nodes_of(run: DiaryRun, jobs: Mapping[int, Recorded]) -> set[str]:
    attempts = jobs[run.job_id].attempts if run.job_id in jobs else ()
    return {
        placed.node
        for attempt in attempts
        if attempt.number == run.attempt
        for placed in attempt.placements
        if placed.rank == run.rank
    }
