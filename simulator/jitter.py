"""How far the figures of a replay are chance: the same jobs again, each of them come a moment earlier or later.

Who comes a second later may start a day later, and whoever stands behind it too: a figure that such a change moves says
little (Tsafrir, Ouaknine and Feitelson, "Reducing performance evaluation sensitivity and variability by input shaking",
MASCOTS 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from simulator.cleaning import CleanJob
from simulator.experiment import Experiment
from simulator.metrics import Metrics

MOST_S = 60
FIGURES = ("mean_wait_s", "p95_wait_s", "max_wait_s", "mean_bounded_slowdown")
"""What people compare. Of each the largest is the worst."""


def moved(experiment: Experiment, seed: int) -> Experiment:
    """The experiment with each arrival moved by whole seconds, up to a minute; a seed always moves them alike.

    Before that all come a minute later, so that nobody comes before the trace's own zero. Deadlines move along.
    """
    chance = Random(f"jitter {seed}")  # noqa: S311 - no secret
    return replace(experiment, windows=tuple(_moved(window, chance) for window in experiment.windows))


def _moved(jobs: Sequence[CleanJob], chance: Random) -> list[CleanJob]:
    later = [_later(job, MOST_S + chance.randint(-MOST_S, MOST_S)) for job in jobs]
    return sorted(later, key=lambda job: job.trace.submit_s)


def _later(job: CleanJob, seconds: int) -> CleanJob:
    trace = job.trace
    deadline = None if trace.deadline_s is None else trace.deadline_s + seconds
    return replace(job, trace=replace(trace, submit_s=trace.submit_s + seconds, deadline_s=deadline))


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the largest of a figure over several replays."""

    median: float
    worst: float


def spreads(replays: Sequence[Metrics]) -> dict[str, Spread]:
    """Of each figure that people compare."""
    return {name: _spread([getattr(one, name) for one in replays]) for name in FIGURES}


def ratio_spreads(replays: Sequence[Metrics], others: Sequence[Metrics]) -> dict[str, Spread | None]:
    """Of each figure beside that of the other side's replay with the same arrivals; None if that is 0 in any."""
    pairs = list(zip(replays, others, strict=True))
    return {name: _ratios([(getattr(one, name), getattr(other, name)) for one, other in pairs]) for name in FIGURES}


def _ratios(pairs: Sequence[tuple[float, float]]) -> Spread | None:
    return _spread([ours / theirs for ours, theirs in pairs]) if all(theirs for _, theirs in pairs) else None


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), max(values))
