"""What placement by price and by learned speeds gains on a cluster of old and new GPUs, beside packing.

Run: python -m benchmarks.placement_gain [--trace FILE] [--jobs N] [--load L] [--seeds N] [--strategies NAME ...]

The trace says when jobs come, how many GPUs they want and how long they run; no trace says how fast they would have run
elsewhere. So speeds are made up, by a seed: each kind of jobs runs on a P100 as long as the trace says, on a V100 1.2 to 4
times as fast, on a K80 1.2 to 5 times as slow, as uneven as published throughputs are (Narayanan et al., "Heterogeneity-Aware
Cluster Scheduling Policies for Deep Learning Workloads", OSDI 2020). A kind is a group's jobs of one width whose run times
are within a factor of four. Prices are those that were usual in a cloud in 2020, an hour of one GPU. What a strategy learns
it learns in the replay, from nothing. Arrivals are drawn out or pressed together to the load that is asked for.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from math import log2
from multiprocessing import Pool
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from scheduling.plan_result import PlannedJob
from scheduling.planning.plan import Plan, make_plan
from scheduling.price_list import Price, Target
from scheduling.rules import Rules
from scheduling.snapshot import Gpu, NodeView, RunningJob, Snapshot
from scheduling.speeds import Speeds
from simulator.cleaning import CleaningRules, CleanJob, TooWide, clean
from simulator.cluster import Cluster
from simulator.reading import read_trace
from simulator.replay import Replay
from simulator.settings import RunTimes, Settings

TRACES = Path(os.environ.get("TRAINYARD_TRACES", Path(__file__).parents[2] / "shared" / "traces"))
PRICES = {"K80": "0.45", "P100": "1.46", "V100": "2.48"}
NODES_OF_EACH = 8
GPUS = 8
PLENTY = 10**9
FASTER, SLOWER = (1.2, 4.0), (1.2, 5.0)
FOREVER = datetime(1900, 1, 1, tzinfo=UTC)
HOUR = 3_600.0


def fleet() -> Cluster:
    """As many machines of each model, eight GPUs in each."""
    machines = [
        NodeView(f"{model.lower()}-{place:02}", PLENTY, PLENTY, tuple(Gpu(index, model) for index in range(GPUS)))
        for model in PRICES
        for place in range(NODES_OF_EACH)
    ]
    return Cluster(tuple(machines))


def kind_of(job: CleanJob) -> str:
    return f"{job.trace.group or job.trace.user} {job.trace.gpus} {int(log2(max(job.run_s, 1)) / 2)}"


def seconds_of(job: CleanJob, model: str, seed: int) -> float:
    """How long the job takes on GPUs of this model."""
    dice = Random(f"{seed} {kind_of(job)}")  # noqa: S311 - no secret
    faster, slower = (low * (high / low) ** dice.random() for low, high in (FASTER, SLOWER))
    return job.run_s * {"K80": slower, "P100": 1.0, "V100": 1 / faster}[model]


class UnevenReplay(Replay):
    """A replay in which a job takes as long as it does where it was placed; of a gang as on its slowest node."""

    def __init__(self, jobs: Sequence[CleanJob], cluster: Cluster, settings: Settings, *, seed: int) -> None:
        self.plan_seconds = 0.0
        self.cost = 0.0
        super().__init__(jobs, cluster, settings, planner=self._timed)
        self._seed = seed
        self._models = {node.name: node.gpus[0].model for node in cluster.nodes}
        self._speeds = Speeds()
        self._prices = tuple(
            Price(Target.GPU_MODEL, Decimal(amount), FOREVER, name=model) for model, amount in PRICES.items()
        )

    def _timed(self, snapshot: Snapshot, now: float) -> Plan:
        began = time.thread_time()
        plan = make_plan(snapshot, now)
        self.plan_seconds += time.thread_time() - began
        return plan

    def _arrive(self, job: CleanJob) -> None:
        super()._arrive(job)
        self._waiting[job.number] = replace(self._waiting[job.number], kind=kind_of(job))

    def _snapshot(self) -> Snapshot:
        return replace(super()._snapshot(), prices=self._prices, speeds=self._speeds)

    def _start(self, placed: PlannedJob) -> None:
        super()._start(placed)
        models = {self._models[share.node] for share in placed.shares}
        job = self._progress[placed.job_id].job
        lasts = max(seconds_of(job, model, self._seed) for model in models)
        self._clock.stop(placed.job_id)
        self._clock.run_until(self._clock.now + lasts, placed.job_id)

    def _leave(self, number: int, running: RunningJob, lost_s: float) -> None:
        super()._leave(number, running, lost_s)
        took = self._clock.now - (running.started_at or 0.0)
        models = [self._models[share.node] for share in running.shares]
        gpus = len(running.shares[0].gpu_indices)
        self.cost += sum(float(PRICES[model]) for model in models) * gpus * took / HOUR
        if len(set(models)) == 1:
            self._speeds.observe(running.kind, models[0], took)


@dataclass(frozen=True)
class Figures:
    """Of one replay: means over the jobs, and sums."""

    turnaround_h: float
    median_h: float
    run_h: float
    cost: float
    plan_ms: float


def replayed(jobs: Sequence[CleanJob], case: tuple[str, int]) -> Figures:
    name, seed = case
    rules = Rules(policy="fifo", explain=False, placement=name)
    replay = UnevenReplay(jobs, fleet(), Settings(rules, run_times=RunTimes.LEARNED), seed=seed)
    outcome = replay.run()
    turnaround = [(one.end - one.job.trace.submit_s) / HOUR for one in outcome.jobs]
    return Figures(
        statistics.mean(turnaround),
        statistics.median(turnaround),
        statistics.mean((run.end - run.start) / HOUR for run in outcome.runs),
        replay.cost,
        replay.plan_seconds / outcome.plans * 1_000,
    )


def jobs_of(path: Path, count: int, load: float, longest: float) -> list[CleanJob]:
    """The first of the trace that want GPUs, fit and are no longer, at this load: what they need on a P100 beside what there is."""
    rules = CleaningRules(too_wide=TooWide.DROP)
    cluster = fleet()
    asked = [job for job in read_trace(path).jobs if job.gpus and (job.run_s or 0) <= longest]
    found = clean(asked, rules, fits=lambda job: cluster.could_hold(cluster.request(job))).jobs[:count]
    needed = sum(job.run_s * job.trace.gpus for job in found)
    first = found[0].trace.submit_s
    drawn = needed / (cluster.size * load) / (found[-1].trace.submit_s - first)
    return [replace(job, trace=replace(job.trace, submit_s=(job.trace.submit_s - first) * drawn)) for job in found]


def rows(found: Mapping[tuple[str, int], Figures], names: Sequence[str], seeds: int) -> Iterator[list[str]]:
    for name in names:
        of = [found[name, seed] for seed in range(seeds)]
        columns = zip(*(vars(one).values() for one in of), strict=True)
        turnaround, median, run, cost, plan = map(statistics.mean, columns)
        yield [name, f"{turnaround:.2f}", f"{median:.2f}", f"{run:.2f}", f"{cost:,.0f}", f"{plan:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACES / "philly_2017.csv.gz")
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--strategies", nargs="+", default=["best_fit", "first_fit", "weighted", "learned"])
    parser.add_argument(
        "--longest", type=float, default=24.0, help="hours; a few jobs of weeks would decide every mean"
    )
    options = parser.parse_args()
    jobs = jobs_of(options.trace, options.jobs, options.load, options.longest * HOUR)
    cases = [(name, seed) for name in options.strategies for seed in range(options.seeds)]
    with Pool(options.processes) as pool:
        found = dict(zip(cases, pool.map(partial(replayed, jobs), cases, chunksize=1), strict=True))
    table = Table("strategy", "mean turnaround h", "median h", "mean run h", "cost", "plan ms")
    for row in rows(found, options.strategies, options.seeds):
        table.add_row(*row)
    Console().print(f"{len(jobs):,} jobs, load {options.load:g}, {options.seeds} seeds")
    Console().print(table)


if __name__ == "__main__":
    main()
