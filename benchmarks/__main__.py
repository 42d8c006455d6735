"""`python -m benchmarks`: measure the platform, show a table, write benchmarks/results/latest.json."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    cancel_latency,
    log_latency,
    memory,
    noop_rate,
    plan_memory,
    plan_speed,
    report,
    rest_submit,
    snapshot_speed,
    start_latency,
    wall_cost,
)
from benchmarks.figures import Figure
from benchmarks.reference import CONCURRENCY, Reference, reference_beside
from benchmarks.stack import Stack, private

ALONE: dict[str, Callable[[], list[Figure]]] = {
    "plan_speed": plan_speed.figures,
    "plan_memory": plan_memory.figures,
    "snapshot_speed": snapshot_speed.figures,
    "wall_cost": wall_cost.figures,
}
ON_A_STACK: dict[str, Callable[[Stack, Reference], list[Figure]]] = {
    "memory": memory.measure,
    "rest_submit": rest_submit.measure,
    "start_latency": start_latency.measure,
    "cancel_latency": cancel_latency.measure,
    "noop_rate": noop_rate.measure,
    "log_latency": log_latency.measure,
}
ALL = [*ALONE, *ON_A_STACK]


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the stack is stopped on the way out
    machine = report.facts()
    wanted = [name for name in ALL if name in (options.only or ALL)]
    figures = [*measure_alone(wanted), *measure_on_a_stack(wanted, options.home)]
    report.write(figures, machine)
    report.show(figures, machine)


def measure_alone(names: Sequence[str]) -> list[Figure]:
    figures = []
    for name in names:
        if name in ALONE:
            announce(name)
            figures += ALONE[name]()
    return figures


def measure_on_a_stack(names: Sequence[str], home: Path | None) -> list[Figure]:
    chosen = [name for name in names if name in ON_A_STACK]
    figures: list[Figure] = []
    if not chosen:
        return figures
    running = contextlib.nullcontext(Stack(home)) if home else private(cpus=CONCURRENCY)
    with running as stack, reference_beside(stack) as reference:
        for name in chosen:
            announce(name)
            figures += ON_A_STACK[name](stack, reference)
    return figures


def announce(name: str) -> None:
    print(f"Measuring {name}", flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="MEASURE", help=f"some of: {', '.join(ALL)} (default: all)")
    parser.add_argument("--home", type=Path, help="TRAINYARD_HOME of a stack that runs already, to measure that one")
    options = parser.parse_args()
    unknown = [name for name in options.only if name not in ALL]
    if unknown:
        parser.error(f"There is no measure {unknown[0]!r}. The measures are: {', '.join(ALL)}.")
    return options


if __name__ == "__main__":
    main()
