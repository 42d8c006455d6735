"""Draws replays as PNG files: the line over time, the load, waits by size, and who ran when."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from simulator.cluster import Cluster
from simulator.metrics import utilisation
from simulator.outcome import JobOutcome, Outcome, Run

DAY, HOUR = 86_400, 3_600
BINS = 200
INCHES = (11, 5)
RUNS_DRAWN = 2_000
"""A picture of more runs is a grey wall: who ran when is drawn for the first of them."""

Steps = list[tuple[float, int]]


def draw(outcomes: Mapping[str, Outcome], cluster: Cluster, folder: Path) -> list[Path]:
    """Write the pictures of these replays, by policy, and say where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [
        save(_queue_lengths(outcomes), folder / "queue.png"),
        save(_loads(outcomes, cluster.size), folder / "utilisation.png"),
        save(_waits_by_size(outcomes), folder / "wait_by_size.png"),
    ]
    for name, outcome in outcomes.items():
        drawn.append(save(_gantt(name, outcome, cluster), folder / f"gantt_{name}.png"))
    return drawn


def save(figure: Figure, path: Path) -> Path:
    """Write the picture there."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=100)
    return path


def titled_axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty picture with a grid, and what its axes show."""
    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _queue_lengths(outcomes: Mapping[str, Outcome]) -> Figure:
    figure, axes = titled_axes("Jobs that wait", "days", "jobs")
    for name, outcome in outcomes.items():
        steps = waiting_jobs(outcome)
        days = [(moment - steps[0][0]) / DAY for moment, _ in steps]
        axes.step(days, [count for _, count in steps], where="post", label=name, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def waiting_jobs(outcome: Outcome) -> Steps:
    """How many jobs wait from each moment on at which that changes. Who was stopped waits again."""
    changes = [(job.job.trace.submit_s, 1) for job in outcome.jobs]
    changes += ((run.start, -1) for run in outcome.runs)
    ended = {(job.job.number, job.end) for job in outcome.jobs}
    changes += ((run.end, 1) for run in outcome.runs if (run.number, run.end) not in ended)
    return list(_running_sum(changes))


def _running_sum(changes: Iterable[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    by_moment: dict[float, int] = {}
    for moment, change in changes:
        by_moment[moment] = by_moment.get(moment, 0) + change
    count = 0
    for moment in sorted(by_moment):
        count += by_moment[moment]
        yield moment, count


def _loads(outcomes: Mapping[str, Outcome], size: int) -> Figure:
    figure, axes = titled_axes("Utilisation", "days", "% of the cluster")
    for name, outcome in outcomes.items():
        first, last = min(job.job.trace.submit_s for job in outcome.jobs), max(job.end for job in outcome.jobs)
        width = (last - first) / BINS
        sorted_runs = sorted(outcome.runs, key=lambda run: run.start)
        starts = [first + place * width for place in range(BINS)]
        busy = [
            100 * utilisation(_overlapping(sorted_runs, start, start + width), size, start, start + width)
            for start in starts
        ]
        axes.step([(start - first) / DAY for start in starts], busy, where="post", label=name, linewidth=1)
    axes.set_ylim(0, 105)
    axes.legend()
    return figure


def _overlapping(runs: Iterable[Run], start: float, end: float) -> list[Run]:
    return [run for run in runs if run.start < end and run.end > start]


def _waits_by_size(outcomes: Mapping[str, Outcome]) -> Figure:
    figure, axes = titled_axes("Mean wait by size", "CPUs or GPUs", "hours")
    classes = sorted({_size_class(job) for outcome in outcomes.values() for job in outcome.jobs})
    share = 0.8 / len(outcomes)
    for place, (name, outcome) in enumerate(outcomes.items()):
        means = [_mean_wait(outcome, size) / HOUR for size in classes]
        axes.bar([at + place * share for at in range(len(classes))], means, width=share, label=name, align="edge")
    axes.set_xticks([at + 0.4 for at in range(len(classes))], [_class_name(size) for size in classes])
    axes.legend()
    return figure


def _size_class(job: JobOutcome) -> int:
    """0 for none, else the power of two that holds it: 1, 2, 4 for 3 and 4, 8 for 5 to 8."""
    return 1 << (math.ceil(job.width) - 1).bit_length() if job.width else 0


def _class_name(size: int) -> str:
    least = size // 2 + 1
    return str(size) if least >= size else f"{least}-{size}"


def _mean_wait(outcome: Outcome, size: int) -> float:
    waits = [job.wait_s for job in outcome.jobs if _size_class(job) == size]
    return fmean(waits) if waits else 0.0


def _gantt(name: str, outcome: Outcome, cluster: Cluster) -> Figure:
    runs = sorted(outcome.runs, key=lambda run: (run.start, run.number))[:RUNS_DRAWN]
    rows = _pool_rows(runs, cluster.size) if cluster.pooled else _node_rows(runs, cluster)
    what = "processors" if cluster.pooled else "nodes"
    figure, axes = titled_axes(f"Who ran when: {name}, first {len(runs):,} runs", "days", what)
    zero = runs[0].start
    bars = PolyCollection(
        [_rectangle((run.start - zero) / DAY, (run.end - zero) / DAY, low, high) for run, low, high in rows],
        facecolors=[f"C{run.number % 10}" for run, _, _ in rows],
        edgecolors="white",
        linewidths=0.2,
    )
    axes.add_collection(bars)
    axes.autoscale_view()
    return figure


def _rectangle(left: float, right: float, low: float, high: float) -> list[tuple[float, float]]:
    return [(left, low), (right, low), (right, high), (left, high)]


def _node_rows(runs: Iterable[Run], cluster: Cluster) -> list[tuple[Run, float, float]]:
    """Each node a row; its jobs share it side by side without saying where in it they are."""
    row = {node.name: place for place, node in enumerate(cluster.nodes)}
    return [(run, row[node], row[node] + 0.9) for run in runs for node in run.nodes]


def _pool_rows(runs: Iterable[Run], size: int) -> list[tuple[Run, float, float]]:
    """A pool has no places, so each run is drawn on the lowest processors that are free, in as many pieces as it takes."""
    free_from = [float("-inf")] * size
    rows: list[tuple[Run, float, float]] = []
    for run in runs:
        free = [place for place, moment in enumerate(free_from) if moment <= run.start][: math.ceil(run.width)]
        for place in free:
            free_from[place] = run.end
        rows += [(run, low, high) for low, high in _pieces(free)]
    return rows


def _pieces(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbours as one piece: [1, 2, 3, 7] -> (1, 4), (7, 8)."""
    start = end = -1
    for place in places:
        if place != end:
            if start >= 0:
                yield start, end
            start = place
        end = place + 1
    if start >= 0:
        yield start, end
