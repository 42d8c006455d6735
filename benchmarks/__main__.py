"""`python -m benchmarks`: measure the platform, show a table, write benchmarks/results/latest.json."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import memory, noop_rate, report, rest_submit, start_latency
from benchmarks.figures import Figure
from benchmarks.reference import CONCURRENCY, Reference, reference_beside
from benchmarks.stack import Stack, private

MEASURES: dict[str, Callable[[Stack, Reference], list[Figure]]] = {
    "memory": memory.measure,
    "rest_submit": rest_submit.measure,
    "start_latency": start_latency.measure,
    "noop_rate": noop_rate.measure,
}


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the stack is stopped on the way out
    machine = report.facts()
    figures: list[Figure] = []
    running = contextlib.nullcontext(Stack(options.home)) if options.home else private(cpus=CONCURRENCY)
    with running as stack, reference_beside(stack) as reference:
        for name in options.only or MEASURES:
            print(f"Measuring {name}", flush=True)
            figures += MEASURES[name](stack, reference)
    report.write(figures, machine)
    report.show(figures, machine)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="MEASURE", help=f"some of: {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--home", type=Path, help="TRAINYARD_HOME of a stack that runs already, to measure that one")
    options = parser.parse_args()
    unknown = [name for name in options.only if name not in MEASURES]
    if unknown:
        parser.error(f"There is no measure {unknown[0]!r}. The measures are: {', '.join(MEASURES)}.")
    return options


if __name__ == "__main__":
    main()
