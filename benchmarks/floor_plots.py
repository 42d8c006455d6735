"""Draws what the policy `floor` does to whole logs: who ends earlier and who later than under EASY, and what the gain depends on.

Run: python -m benchmarks.floor_plots [--traces FOLDER] [--folder FOLDER] [NAME:CLUSTER ...]

Writes floor_ends.png and floor_gain.png. The logs are named and looked for as in recommended_policy, and must run on pools.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from benchmarks.published_figures import TRACES
from benchmarks.recommended_policy import EASY, LOGS, SLACK, Replayed, Variant, floor, replay
from scheduling.rules import HOUR
from simulator.plots import save, titled_axes

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FOLDER = Path("docs/plots")
SMALLEST_HOURS = 0.01
"""Below this the axis of differences is linear, above it logarithmic."""
Found = Mapping[tuple[str, str], Replayed]


def variant(share: float, slack: float) -> Variant:
    return floor(f", {share:.0%}", share=share, slack=slack)


def replayed(logs: Sequence[str], traces: Path, processes: int | None) -> Found:
    """EASY and each share, exact and with slack, on each log."""
    variants = [EASY, *(variant(share, slack) for share, slack in product(SHARES, (0.0, SLACK)))]
    work = list(product(logs, variants))
    with ProcessPoolExecutor(processes) as pool:
        done = pool.map(replay, *zip(*work, strict=True), [traces] * len(work))
        return {(one.log, one.variant.name): one for one in done}


def draw_ends(found: Found, logs: Sequence[str], path: Path) -> Path:
    """The part of the jobs that end by at most so much later (left of 0: earlier) than under EASY."""
    figure, axes = titled_axes(
        "End under floor less end under EASY, all jobs save their work", "hours", "part of the jobs"
    )
    for (place, log), slack in product(enumerate(logs), (0.0, SLACK)):
        plain, ends = found[log, EASY.name].ends, found[log, variant(1.0, slack).name].ends
        hours = sorted((end - plain[number]) / HOUR for number, end in ends.items())
        parts = [(rank + 1) / len(hours) for rank in range(len(hours))]
        label = f"{_name(log)}, {f'{slack:.0%} of slack' if slack else 'exact'}"
        axes.plot(hours, parts, label=label, color=f"C{place}", linestyle="--" if slack else "-")
    axes.set_xscale("symlog", linthresh=SMALLEST_HOURS)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.legend()
    return save(figure, path)


def draw_gain(found: Found, logs: Sequence[str], path: Path) -> Path:
    """The mean bounded slowdown by how many of the jobs save their work."""
    figure, axes = titled_axes("Mean bounded slowdown, EASY = 1", "part of the jobs that save their work", "ratio")
    for (place, log), slack in product(enumerate(logs), (0.0, SLACK)):
        easy = found[log, EASY.name]
        ratios = [found[log, variant(share, slack).name].against(easy)["mean_bounded_slowdown"] for share in SHARES]
        label = f"{_name(log)}, {f'{slack:.0%} of slack' if slack else 'exact'}"
        axes.plot(SHARES, ratios, marker="o", label=label, color=f"C{place}", linestyle="--" if slack else "-")
    axes.set_ylim(bottom=0)
    axes.legend()
    return save(figure, path)


def _name(log: str) -> str:
    return Path(log.partition(":")[0]).name.partition(".")[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor_plots", description=__doc__)
    parser.add_argument(
        "logs", nargs="*", metavar="NAME:CLUSTER", default=LOGS, help="a trace, and how many processors run it"
    )
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the traces")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="replays at a time")
    options = parser.parse_args()
    found = replayed(options.logs, options.traces, options.processes)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(draw_ends(found, options.logs, options.folder / "floor_ends.png"))
    print(draw_gain(found, options.logs, options.folder / "floor_gain.png"))


if __name__ == "__main__":
    main()
