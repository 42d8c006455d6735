"""The recommended batch policy, `responsive`, against plain EASY backfilling on whole logs: the four figures that count.

Run: python -m benchmarks.recommended_policy [--traces FOLDER] [--knobs] [NAME:PROCESSORS ...]

Without names it replays KTH and CTC, which are looked for as in published_figures. Both sides are replayed by the same
planner with natural ties; the policy knows the users' walltimes and the jobs that have ended, nothing else. Ends with 1
if a ratio is above its bar. --knobs also shows how the figures move with the bounded wait and with what is known of run
times.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.published_figures import TRACES
from scheduling.rules import HOUR, Rules
from simulator.experiment import prepare
from simulator.settings import RunTimes, Settings

LOGS = ("kth_sp2_1996:100", "ctc_sp2_1996:338")
BARS = {
    "mean_bounded_slowdown": 0.55,
    "mean_wait_s": 0.80,
    "max_wait_s": 1.25,
    "p95_wait_s": None,
}
RESPONSIVE = Rules(policy="responsive", explain=False)


@dataclass(frozen=True)
class Variant:
    """One way to schedule a log."""

    name: str
    rules: Rules
    run_times: RunTimes = RunTimes.LEARNED


EASY = Variant("EASY", Rules(policy="fifo", explain=False), RunTimes.REQUESTED)
RECOMMENDED = Variant("responsive", RESPONSIVE)


def bounded(hours: int) -> Variant:
    rules = Rules(policy="responsive", bounded_wait_seconds=hours * HOUR, explain=False)
    return Variant(f"responsive, bound {hours} h", rules)


KNOBS = (
    *(bounded(hours) for hours in (24, 32, 48, 72)),
    Variant("responsive, walltimes only", RESPONSIVE, RunTimes.REQUESTED),
    Variant("responsive, true run times", RESPONSIVE, RunTimes.EXACT),
    Variant("sjf, learned run times", Rules(policy="sjf", explain=False)),
)


@dataclass(frozen=True)
class Replayed:
    log: str
    variant: Variant
    figures: dict[str, float]

    def ratios(self, easy: "Replayed") -> dict[str, float]:
        return {name: self.figures[name] / easy.figures[name] for name in BARS}


def replay(log: str, variant: Variant, traces: Path) -> Replayed:
    trace, _, processors = log.partition(":")
    path = trace if Path(trace).exists() else str(traces / f"{trace}.csv.gz")
    experiment = prepare(path, processors=int(processors))
    metrics = experiment.run(Settings(variant.rules, run_times=variant.run_times)).metrics
    return Replayed(log, variant, {name: getattr(metrics, name) for name in BARS})


def passes(ratios: dict[str, float]) -> bool:
    return all(bar is None or ratios[name] <= bar for name, bar in BARS.items())


def show(done: Sequence[Replayed]) -> bool:
    """A row for each replay; whether the recommended policy is within its bars on every log."""
    table = Table("log", "variant", *BARS, "", box=None)
    good = True
    easy = {one.log: one for one in done if one.variant == EASY}
    for one in done:
        if one.variant == EASY:
            cells, verdict = [f"{one.figures[name]:,.2f}" for name in BARS], ""
        else:
            ratios = one.ratios(easy[one.log])
            cells = [f"{ratios[name]:.3f} x" for name in BARS]
            verdict = ("PASS" if passes(ratios) else "FAIL") if one.variant == RECOMMENDED else ""
            good = good and verdict != "FAIL"
        table.add_row(one.log, one.variant.name, *cells, verdict)
    bars = [f"<= {bar:.2f} x" if bar else "-" for bar in BARS.values()]
    table.add_row("", "bar", *bars, "")
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommended_policy", description=__doc__)
    parser.add_argument("logs", nargs="*", metavar="NAME:PROCESSORS", help="a trace by name or path, and its width")
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the traces")
    parser.add_argument("--knobs", action="store_true", help="also how the figures move with the knobs")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="replays at a time")
    options = parser.parse_args()
    logs = options.logs or [log for log in LOGS if (options.traces / f"{log.partition(':')[0]}.csv.gz").exists()]
    if not logs:
        parser.error(f"There are no traces in {options.traces}: name a folder with --traces, or a file.")
    variants = (EASY, RECOMMENDED, *(KNOBS if options.knobs else ()))
    work = [(log, variant) for log in logs for variant in variants]
    with ProcessPoolExecutor(options.processes) as pool:
        done = list(pool.map(replay, *zip(*work, strict=True), [options.traces] * len(work)))
    sys.exit(not show(done))


if __name__ == "__main__":
    main()
