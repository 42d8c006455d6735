"""What it would gain to place a batch of waiting jobs together instead of one after the other.

Run: python -m benchmarks.batch_placement [--trace FILE] [--jobs N] [--load L] [--batch N] [--seed N]

The cluster, the speeds and the prices are those of `benchmarks/placement_gain.py`. At each instant the first jobs in line
are placed: one after the other, by `best_fit` or by a score of price and speed; or together, at the least sum of these
scores (`min_cost`), or in the best order that a search finds (`genetic`). Nobody has a reservation, so wide jobs may be
passed: that is the best case for batches, as there is nothing to promise. Speeds are known from the beginning.
"""

import argparse
import heapq
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from benchmarks.batches import genetic, min_cost
from benchmarks.placement_gain import HOUR, PRICES, TRACES, fleet, jobs_of, kind_of, seconds_of
from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement.base import Asked
from scheduling.placement.best_fit import BEST_FIT
from scheduling.placement.learned import LEARNED
from scheduling.snapshot import Allocation, Snapshot, WaitingJob
from scheduling.speeds import Speeds
from simulator.cleaning import CleanJob

Places: TypeAlias = dict[int, tuple[Allocation, ...]]
Batch: TypeAlias = Callable[[Sequence[WaitingJob], FreeNodes], Places]
RUNS = 20


def in_turn_by_best_fit(jobs: Sequence[WaitingJob], free: FreeNodes) -> Places:
    left, found = free.copy(), Places()
    for job in jobs:
        take(left, found, job, BEST_FIT.place(job.request, left))
    return found


def take(left: FreeNodes, found: Places, job: WaitingJob, shares: tuple[Allocation, ...] | None) -> None:
    for share in shares or ():
        left.allocate(share, holder=job.id)
    if shares:
        found[job.id] = shares


def by_genetic(jobs: Sequence[WaitingJob], free: FreeNodes) -> Places:
    found = genetic.places([job.request for job in jobs], free)
    return {job.id: shares for job, shares in zip(jobs, found, strict=True) if shares}


def scored(speeds: Speeds) -> dict[str, Batch]:
    """In turn and together, by the scores of `learned`."""
    scores = LEARNED.prepare(Snapshot(speeds=speeds))

    def asked(job: WaitingJob) -> Asked:
        return Asked(job, 0.0)

    def in_turn(jobs: Sequence[WaitingJob], free: FreeNodes) -> Places:
        left, found = free.copy(), Places()
        for job in jobs:
            take(left, found, job, scores.for_job(asked(job)).place(job.request, left))
        return found

    def together(jobs: Sequence[WaitingJob], free: FreeNodes) -> Places:
        return min_cost.places(jobs, free, scores, asked(jobs[0]))

    return {"learned, one after the other": in_turn, "min_cost, a batch": together}


@dataclass(slots=True)
class Yard:
    """One replay: jobs come, are placed in batches of at most `size`, and end."""

    jobs: Sequence[CleanJob]
    place: Batch
    size: int
    seed: int
    turnarounds: list[float] = field(default_factory=list)
    plans: list[float] = field(default_factory=list)
    cost: float = 0.0

    def run(self) -> "Yard":
        cluster = fleet()
        requests, free = cluster.requests(self.jobs, "the trace"), FreeNodes(cluster.nodes)
        models = {node.name: node.gpus[0].model for node in cluster.nodes}
        coming, line = deque(self.jobs), dict[int, CleanJob]()
        ends: list[tuple[float, int, tuple[Allocation, ...]]] = []
        while coming or ends:
            now = min([*(job.trace.submit_s for job in list(coming)[:1]), *(end for end, _, _ in ends[:1])])
            while ends and ends[0][0] <= now:
                _, number, shares = heapq.heappop(ends)
                for share in shares:
                    free.release(share, holder=number)
            while coming and coming[0].trace.submit_s <= now:
                job = coming.popleft()
                line[job.number] = job
            batch = [
                WaitingJob(job.number, "p", "q", 50, job.trace.submit_s, requests[job.number], kind=kind_of(job))
                for job in list(line.values())[: self.size]
            ]
            began = time.thread_time()
            found = self.place(batch, free) if batch else {}
            self.plans += [time.thread_time() - began] * bool(batch)
            for number, shares in found.items():
                job = line.pop(number)
                lasts = max(seconds_of(job, models[share.node], self.seed) for share in shares)
                for share in shares:
                    free.allocate(share, holder=number)
                    self.cost += float(PRICES[models[share.node]]) * len(share.gpu_indices) * lasts / HOUR
                heapq.heappush(ends, (now + lasts, number, shares))
                self.turnarounds.append((now + lasts - job.trace.submit_s) / HOUR)
        return self


def known_speeds(jobs: Sequence[CleanJob], seed: int) -> Speeds:
    """As after many runs of each kind on each model."""
    speeds = Speeds()
    for job in {kind_of(job): job for job in jobs}.values():
        for _ in range(RUNS):
            for model in PRICES:
                speeds.observe(kind_of(job), model, seconds_of(job, model, seed))
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACES / "philly_2017.csv.gz")
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--load", type=float, default=0.9)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    jobs = jobs_of(options.trace, options.jobs, options.load, 24 * HOUR)
    ways = {
        "best_fit, one after the other": in_turn_by_best_fit,
        "genetic, a batch": by_genetic,
        **scored(known_speeds(jobs, options.seed)),
    }
    table = Table("placed by", "mean turnaround h", "median h", "cost", "plan ms, mean", "longest")
    for name, place in ways.items():
        yard = Yard(jobs, place, options.batch, options.seed).run()
        mean, median = statistics.mean(yard.turnarounds), statistics.median(yard.turnarounds)
        plans = [f"{1_000 * seconds:.1f}" for seconds in (statistics.mean(yard.plans), max(yard.plans))]
        table.add_row(name, f"{mean:.2f}", f"{median:.2f}", f"{yard.cost:,.0f}", *plans)
    Console().print(f"{len(jobs):,} jobs, load {options.load:g}, batches of {options.batch}, seed {options.seed}")
    Console().print(table)


if __name__ == "__main__":
    main()
