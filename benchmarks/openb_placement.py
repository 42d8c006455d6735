"""How much of a real fleet's GPUs each placement strategy can give away before nothing more fits.

The trace is Alibaba's openb (Weng et al., "Beware of Fragmentation", USENIX ATC 2023): 8,152 pods, many of which want a
part of one GPU, and the 1,213 of its nodes that have GPUs, 6,212 in all. As in that paper the pods come in random order,
then random pods come again until all that came ask for 130 % of the GPUs; nobody leaves; a pod that has no place is
turned away. The figure is the share of all GPUs that is given away at the end, in per cent.

Run: python -m benchmarks.openb_placement [--seeds N] [--strategies NAME ...] [--processes N]

The trace is looked for in the folder that TRAINYARD_TRACES names, else in ../shared/traces.
"""

import argparse
import csv
import gzip
import os
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement import STRATEGIES, strategy
from scheduling.resources import WHOLE_GPU, Request
from scheduling.snapshot import Gpu, NodeView, Snapshot, WaitingJob

TRACES = Path(os.environ.get("TRAINYARD_TRACES") or Path(__file__).parents[1] / ".." / "shared" / "traces")
LOAD = 1.3  # of all GPUs, asked for by the pods that come
MILLI_CPU = 1_000  # the trace has parts of CPUs: they are counted in thousandths, in the nodes too
MB_IN_GB = 1_024
GPU_MEMORY_GB = {"P100": 16, "T4": 16, "V100M16": 16, "V100M32": 32, "A10": 24, "G2": 24, "G3": 40}
PUBLISHED = {"first_fit": None, "best_fit": 93.08, "fgd": 95.39}
BAR = {"best_fit": 92.8, "fgd": 94.8}


@dataclass(frozen=True)
class Allocated:
    """What one strategy made of one order of the pods."""

    strategy: str
    seed: int
    percent: float
    turned_away: int
    seconds: float


def fleet(path: Path) -> tuple[NodeView, ...]:
    """The nodes that have GPUs."""
    with path.open(encoding="utf-8") as file:
        return tuple(node(row) for row in csv.DictReader(file) if int(row["gpus"]))


def node(row: dict[str, str]) -> NodeView:
    memory_mb = GPU_MEMORY_GB.get(row["model"], 0) * MB_IN_GB
    gpus = tuple(Gpu(index, row["model"], memory_mb) for index in range(int(row["gpus"])))
    return NodeView(row["node"], _scaled(row["cpus"], MILLI_CPU), _scaled(row["mem_gb"], MB_IN_GB), gpus)


def pods(path: Path) -> list[Request]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [pod(row) for row in csv.DictReader(file)]


def pod(row: dict[str, str]) -> Request:
    gpus = float(row["gpus"])
    size = (_scaled(row["cpus"], MILLI_CPU), _scaled(row["mem_gb"], MB_IN_GB))
    if 0 < gpus < 1:
        return Request(*size, gpus=1, gpu_milli=round(gpus * WHOLE_GPU))
    return Request(*size, gpus=int(gpus))


def _scaled(text: str, factor: int) -> int:
    return round(float(text) * factor)


def arrivals(known: Sequence[Request], capacity_milli: int, seed: int) -> Iterator[Request]:
    """All pods in random order, then random ones again until they ask for more than the fleet has."""
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same order
    came = 0
    for request in dice.sample(known, len(known)):
        came += request.amount.all_gpu_milli
        yield request
    while came < LOAD * capacity_milli:
        request = dice.choice(known)
        came += request.amount.all_gpu_milli
        yield request


def fill(name: str, nodes: Iterable[NodeView], known: Sequence[Request], seed: int) -> Allocated:
    """Give away what there is to whoever comes."""
    free = FreeNodes(nodes)
    capacity = sum(one.gpu_milli for one in free.nodes)
    placing = strategy(name).prepare(as_snapshot(known))
    turned_away = 0
    started = time.perf_counter()
    for holder, request in enumerate(arrivals(known, capacity, seed)):
        shares = placing.place(request, free)
        turned_away += shares is None
        for share in shares or ():
            free.allocate(share, holder=holder)
    left = sum(one.gpu_milli for one in free.nodes)
    return Allocated(name, seed, 100 * (1 - left / capacity), turned_away, time.perf_counter() - started)


def as_snapshot(known: Sequence[Request]) -> Snapshot:
    """From which a strategy can learn what is usual here."""
    return Snapshot(tuple(WaitingJob(n, "openb", "default", 50, 0.0, one) for n, one in enumerate(known)))


def one_run(case: tuple[str, int]) -> Allocated:
    return fill(case[0], fleet(TRACES / "openb_2023_nodes.csv"), pods(TRACES / "openb_2023.csv.gz"), case[1])


def progress_printed(one: Allocated) -> Allocated:
    print(f"{one.strategy}, seed {one.seed}: {one.percent:.2f} % in {one.seconds:.0f} s", file=sys.stderr, flush=True)
    return one


def show(outcomes: Sequence[Allocated], names: Sequence[str]) -> None:
    print(
        f"{'strategy':<14}{'mean %':>8}{'lowest':>8}{'highest':>9}{'turned away':>13}{'s a run':>9}{'published':>11}{'bar':>7}"
    )
    for name in names:
        mine = [one for one in outcomes if one.strategy == name]
        percents = [one.percent for one in mine]
        away = statistics.mean(one.turned_away for one in mine)
        seconds = statistics.mean(one.seconds for one in mine)
        print(
            f"{name:<14}{statistics.mean(percents):>8.2f}{min(percents):>8.2f}{max(percents):>9.2f}{away:>13.0f}"
            f"{seconds:>9.1f}{PUBLISHED.get(name) or '-':>11}{BAR.get(name, '-'):>7}"
        )


def main() -> None:
    options = read_options()
    if not (TRACES / "openb_2023.csv.gz").exists():
        sys.exit(f"There is no openb_2023.csv.gz in {TRACES}. Name the folder that has it in TRAINYARD_TRACES.")
    names, seeds = options.strategies, range(options.seeds)
    with ProcessPoolExecutor(options.processes) as pool:
        outcomes = [progress_printed(one) for one in pool.map(one_run, product(names, seeds))]
    show(outcomes, names)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="orders of the pods: 0, 1, 2 and so on (5)")
    parser.add_argument("--processes", type=int, default=2, help="runs at a time (2)")
    parser.add_argument("--strategies", nargs="+", default=list(BAR), choices=sorted(STRATEGIES), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
