"""How long one planning pass takes on a fleet of 1,000 nodes with 8 GPUs each.

Run: python -m benchmarks.plan_speed [--json FILE] [--waiting N] [--nodes N]
"""

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.figures import Figure
from jobs.planning import gc_pause
from scheduling.planning.plan import Plan, make_plan
from scheduling.resources import Request, Resources
from scheduling.rules import Rules
from scheduling.snapshot import (
    Allocation,
    EndedJob,
    Gpu,
    Limits,
    NodeView,
    ProjectView,
    QueueView,
    RunningJob,
    Snapshot,
    WaitingJob,
)
from scheduling.stages import in_line

RUNS = 5
GPUS_A_NODE = 8
FULL = "full, 4 shapes"
MANY_WAITING, MANY_TARGET_MS = 100_000, 400.0
FLOOR_AT_MOST = 2.0
"""So many times the plan of `responsive` may a plan under a floor take."""
SHAPES = [Request(cpus=4 * gpus, memory_mb=16_384, gpus=gpus) for gpus in (1, 2, 4, 8)]
QUEUES = (QueueView("live", 20), QueueView("default", 10), QueueView("batch", 0))
PROJECTS = (
    ProjectView("acme", None, Limits(gpus=1_000_000)),
    *(ProjectView(f"team-{number}", "acme", Limits(gpus=100_000, running_jobs=100_000)) for number in range(20)),
)


@dataclass(frozen=True)
class Result:
    case: str
    waiting: int
    nodes: int
    placed: int
    median_ms: float
    worst_ms: float
    cpu_ms: float
    target_ms: float | None


def fleet(nodes: int, *, memory_step: int = 0) -> tuple[NodeView, ...]:
    """Nodes that are alike, or, as measured machines are, each with a little more memory than the last."""
    gpus = tuple(Gpu(index, "NVIDIA H100 80GB HBM3", 81_559) for index in range(GPUS_A_NODE))
    return tuple(NodeView(f"gpu-{n:04}", 64, 1_048_576 + n * memory_step, gpus) for n in range(nodes))


def full(nodes: tuple[NodeView, ...]) -> tuple[RunningJob, ...]:
    """One job on each GPU of each node."""
    return tuple(
        RunningJob(
            1_000_000 + number * GPUS_A_NODE + gpu.index,
            f"team-{number % 20}",
            "default",
            50,
            (Allocation(node.name, Resources(8, 65_536, 1), (gpu.index,)),),
        )
        for number, node in enumerate(nodes)
        for gpu in node.gpus
    )


def pending(waiting: int, shape: Callable[[int], Request]) -> tuple[WaitingJob, ...]:
    return tuple(
        WaitingJob(n, f"team-{n % 20}", QUEUES[n % 3].name, n * 7 % 101, float(n), shape(n)) for n in range(waiting)
    )


def cases(waiting: int, nodes: int, only: str = "") -> dict[str, tuple[Snapshot, float | None]]:
    """Each case with the milliseconds that it should stay under, where there is such a target."""
    alike, measured = fleet(nodes), fleet(nodes, memory_step=3)

    def few(number: int) -> Request:
        return SHAPES[number % len(SHAPES)]

    def one_gpu(_: int) -> Request:
        return Request(cpus=8, memory_mb=65_536, gpus=1)

    def all_different(number: int) -> Request:
        return Request(cpus=1, memory_mb=1_024 + number, gpus=1)

    def cpu_only(_: int) -> Request:
        return Request(cpus=8, memory_mb=1_024)

    def world(jobs: Callable[[int], Request], machines: tuple[NodeView, ...], *, taken: bool) -> Snapshot:
        return Snapshot(pending(waiting, jobs), full(machines) if taken else (), machines, QUEUES, PROJECTS)

    built = {
        "full, 4 shapes": (few, alike, True, 100.0),
        "full, every shape different": (all_different, alike, True, None),
        "empty, 1 GPU each": (one_gpu, alike, False, 500.0),
        "empty, 4 shapes": (few, alike, False, 500.0),
        "empty, 4 shapes, no two nodes alike": (few, measured, False, 500.0),
        "empty, every shape different": (all_different, measured, False, None),
        "empty, CPU jobs on GPU nodes": (cpu_only, measured, False, 500.0),
    }
    return {
        name: (world(jobs, machines, taken=taken), target)
        for name, (jobs, machines, taken, target) in built.items()
        if only in name
    }


def floor_cases(waiting: int, nodes: int) -> dict[str, Snapshot]:
    """The same moment under `responsive` and under `floor`: a node has become free, so that the shadow plans as well.

    Half of the jobs save their work, and may start before their turn.
    """
    machines = fleet(nodes)
    line = tuple(
        replace(job, checkpointable=job.id % 2 == 0)
        for job in pending(waiting, lambda number: SHAPES[number % len(SHAPES)])
    )
    before = Snapshot(line, full(machines), machines, QUEUES, PROJECTS, rules=Rules(policy="floor"))
    shadow = make_plan(before, 0.0).shadow
    over, left = before.running[:GPUS_A_NODE], before.running[GPUS_A_NODE:]
    ended = tuple(EndedJob(in_line(job, 0.0), 0.0) for job in over)
    after = replace(before, running=left, shadow=shadow, ended=ended)
    plain = replace(after, shadow=None, ended=(), rules=Rules(policy="responsive"))
    return {"a node has become free, responsive": plain, "a node has become free, floor": after}


def measured_floor(waiting: int, nodes: int) -> list[Result]:
    """The floor should take at most twice as long."""
    plain, floor = floor_cases(waiting, nodes).items()
    first = measure(*plain, None)
    return [first, measure(*floor, FLOOR_AT_MOST * first.cpu_ms)]


def timed(snapshot: Snapshot) -> tuple[Plan, list[float], list[float]]:
    """The plan, and the milliseconds of each run: by the clock, and of the processor (what a busy machine adds is not in)."""
    plan, wall, cpu = make_plan(snapshot, 0.0), [], []
    for _ in range(RUNS):
        gc.collect()
        started, worked = time.perf_counter(), time.thread_time()
        with gc_pause.paused():  # as in a cycle
            plan = make_plan(snapshot, 0.0)
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.thread_time() - worked) * 1000)
    return plan, wall, cpu


def measure(case: str, snapshot: Snapshot, target_ms: float | None) -> Result:
    plan, wall, cpu = timed(snapshot)
    return Result(
        case,
        len(snapshot.waiting),
        len(snapshot.nodes),
        len(plan.placements),
        round(statistics.median(wall), 1),
        round(max(wall), 1),
        round(statistics.median(cpu), 1),
        target_ms,
    )


def figures(waiting: int = 10_000, nodes: int = 1_000) -> list[Figure]:
    """Each case as a figure of the whole run: the median of the processor's time."""
    results = [measure(case, *one) for case, one in cases(waiting, nodes).items()]
    many, _ = cases(MANY_WAITING, nodes, only=FULL)[FULL]
    results.append(measure(f"{FULL}, {MANY_WAITING:,} waiting", many, MANY_TARGET_MS))
    results += measured_floor(waiting, nodes)
    return [
        Figure(
            f"plan: {one.case}",
            one.cpu_ms,
            "ms",
            at_most=one.target_ms,
            note=f"processor time; {one.waiting:,} jobs wait, {nodes:,} nodes",
            details={"wall_ms": one.median_ms},
        )
        for one in results
    ]


def table(results: list[Result]) -> str:
    rows = [
        f"{'case':<38}{'waiting':>8}{'nodes':>7}{'placed':>8}{'median ms':>11}{'worst ms':>10}{'cpu ms':>9}{'target':>8}"
    ]
    for one in results:
        target = f"{one.target_ms:.0f}" if one.target_ms else "-"
        rows.append(
            f"{one.case:<38}{one.waiting:>8}{one.nodes:>7}{one.placed:>8}"
            f"{one.median_ms:>11.1f}{one.worst_ms:>10.1f}{one.cpu_ms:>9.1f}{target:>8}"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--json", type=Path, help="where to write the results; without it they follow the table")
    options = parser.parse_args()
    results = [measure(case, *one) for case, one in cases(options.waiting, options.nodes).items()]
    results += measured_floor(options.waiting, options.nodes)
    data = json.dumps(
        {"python": platform.python_version(), "runs": RUNS, "results": [asdict(one) for one in results]}, indent=2
    )
    print(table(results))
    if options.json:
        options.json.write_text(data + "\n")
    else:
        print(data)


if __name__ == "__main__":
    main()
