"""Replays in processes of their own, as many at a time as there are CPUs."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread

from simulator.experiment import Experiment
from simulator.jitter import moved
from simulator.metrics import Metrics
from simulator.settings import Settings

Told = Callable[[int], None]
"""Hears how many replays are done."""


def replay_with_jitter(
    experiment: Experiment, settings: Sequence[Settings], times: int, told: Told | None = None
) -> list[list[Metrics]]:
    """For each of the settings the figures of so many replays: the n-th has the same arrivals under all of them."""
    work = [(one, seed) for one in settings for seed in range(1, times + 1)]
    processes = min(len(work), os.cpu_count() or 1)
    # Children that begin anew, not copies: a copy of a process with threads (the progress bar's) may hang.
    with ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent) as pool:
        figures = _counted(pool.map(_figures, [experiment] * len(work), *zip(*work, strict=True)), told)
        return [[next(figures) for _ in range(times)] for _ in settings]


def _figures(experiment: Experiment, settings: Settings, seed: int) -> Metrics:
    return moved(experiment, seed).run(settings).metrics


def _counted(figures: Iterator[Metrics], told: Told | None) -> Iterator[Metrics]:
    for done, one in enumerate(figures, start=1):
        if told:
            told(done)
        yield one


def _end_with_parent() -> None:
    """Ctrl-C ends a child without a word, and no child outlives whoever wants its answer."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)
