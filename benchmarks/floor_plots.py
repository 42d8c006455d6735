"""Pictures of the policy `floor` beside EASY: who ends earlier and who later, and what the gain depends on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from simulator.plots import save, titled_axes

LINEAR_HOURS = 0.01
"""Below this the axis of differences is linear, above it logarithmic."""
Points = Sequence[tuple[float, float]]


def draw_ends(differences: Mapping[str, Sequence[float]], path: Path) -> Path:
    """The part of the jobs that end by at most so many hours later than under EASY; left of 0: earlier."""
    figure, axes = titled_axes("End under floor less end under EASY", "hours", "part of the jobs")
    ranked = {name: sorted(hours) for name, hours in differences.items()}
    _lines(axes, {name: _cumulated(hours) for name, hours in ranked.items()})
    axes.set_xscale("symlog", linthresh=LINEAR_HOURS)
    axes.axvline(0, color="black", linewidth=0.8)
    return save(figure, path)


def draw_gain(ratios: Mapping[str, Points], path: Path) -> Path:
    """The mean bounded slowdown by how many of the jobs save their work."""
    figure, axes = titled_axes("Mean bounded slowdown, EASY = 1", "part of the jobs that save their work", "ratio")
    _lines(axes, {name: sorted(points) for name, points in ratios.items()}, marker="o")
    axes.set_ylim(bottom=0)
    return save(figure, path)


def _cumulated(hours: Sequence[float]) -> Points:
    return [(difference, (rank + 1) / len(hours)) for rank, difference in enumerate(hours)]


def _lines(axes: Axes, lines: Mapping[str, Points], marker: str = "") -> None:
    for name, points in lines.items():
        axes.plot([x for x, _ in points], [y for _, y in points], label=name, marker=marker, linewidth=1)
    axes.legend()
