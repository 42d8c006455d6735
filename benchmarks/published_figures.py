"""Figures that others have published for well-known traces, and what the planner gives on the same set-up.

Run: python -m benchmarks.published_figures [--traces FOLDER] [--only WORD] [--planner]

The traces are not part of the repository (the Parallel Workloads Archive asks to be cited and gives no licence): they
are looked for in TRAINYARD_TRACES, else in ../shared/traces. Where a trace is missing, its figures are left out, and
said to be. Ends with 1 if a figure differs in any digit that was published. Replays on a pool count processors;
--planner asks the planner itself, which takes minutes.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scheduling.planning.plan import make_plan
from scheduling.rules import Backfill, Rules
from simulator.cleaning import CleaningRules, Overrun
from simulator.experiment import Window, prepare
from simulator.replay import Planner
from simulator.settings import RunTimes, Settings, Ties

TRACES = Path(os.environ.get("TRAINYARD_TRACES", Path(__file__).parents[2] / "shared" / "traces"))
POOLS = {"kth_sp2_1996": 100, "ctc_sp2_1996": 338, "lublin_256_a": 256, "philly_2017": 512}
LUBLIN_WINDOWS = tuple(
    Window(start, 1024) for start in (1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085)
)  # fmt: skip
FIRST_10_000 = (Window(0, 10_000),)
SECONDS_FOR_CTC = 120


@dataclass(frozen=True)
class Case:
    """A set-up, and by name of the figure what was published for it, written with all its digits."""

    source: str
    trace: str
    policy: str
    backfill: Backfill
    published: dict[str, str]
    ties: Ties = Ties.NATURAL
    run_times: RunTimes = RunTimes.REQUESTED
    overrun: Overrun = Overrun.STOP
    windows: tuple[Window, ...] = field(default=())

    @property
    def name(self) -> str:
        said = f"{self.policy} + {self.backfill.value}"
        return f"{said}, exact run times" if self.run_times is RunTimes.EXACT else said


def slowdown(text: str) -> dict[str, str]:
    return {"mean_bounded_slowdown": text}


def whole(trace: str, backfill: Backfill, text: str, run_times: RunTimes = RunTimes.REQUESTED) -> Case:
    """Gaussier et al., SC'15: whole logs, the order of events of the simulator pyss."""
    return Case("SC'15", trace, "fifo", backfill, slowdown(text), Ties.PYSS, run_times)


def windows(policy: str, backfill: Backfill, text: str) -> Case:
    """RLScheduler (Zhang et al., SC'20): ten windows of 1,024 jobs."""
    return Case("SC'20", "lublin_256_a", policy, backfill, slowdown(text), windows=LUBLIN_WINDOWS)


def first(trace: str, policy: str, backfill: Backfill, wait: str, p95: str, text: str) -> Case:
    """The first 10,000 jobs, nobody stopped at the walltime."""
    published = {"mean_wait_s": wait, "p95_wait_s": p95, **slowdown(text)}
    return Case("10,000", trace, policy, backfill, published, overrun=Overrun.EXTEND, windows=FIRST_10_000)


KTH, CTC, PHILLY = "kth_sp2_1996", "ctc_sp2_1996", "philly_2017"
CASES = (
    whole(KTH, Backfill.EASY, "92.576540"),
    whole(KTH, Backfill.SJBF, "69.405401"),
    whole(KTH, Backfill.SJBF, "49.847719", RunTimes.EXACT),
    whole(CTC, Backfill.EASY, "49.571290"),
    whole(CTC, Backfill.SJBF, "30.041070"),
    whole(CTC, Backfill.SJBF, "17.571687", RunTimes.EXACT),
    windows("fifo", Backfill.NONE, "7273.77"),
    windows("fifo", Backfill.EASY, "271.40"),
    windows("sjf", Backfill.EASY, "42.08"),
    first(KTH, "fifo", Backfill.NONE, "410507", "757913", "7783.3"),
    first(KTH, "fifo", Backfill.EASY, "7894", "45931", "110.3"),
    first(KTH, "sjf", Backfill.EASY, "5489", "27388", "53.2"),
    first(CTC, "fifo", Backfill.NONE, "109960", "289984", "698.3"),
    first(CTC, "fifo", Backfill.EASY, "12037", "57694", "44.3"),
    first(CTC, "sjf", Backfill.EASY, "7934", "32875", "18.3"),
    first(PHILLY, "fifo", Backfill.NONE, "9457", "23060", "56.7"),
    first(PHILLY, "fifo", Backfill.EASY, "8953", "21788", "49.2"),
    first(PHILLY, "sjf", Backfill.EASY, "3279", "15398", "3.8"),
)


@dataclass(frozen=True)
class Measured:
    """What the planner gave, by name of the figure."""

    case: Case
    ours: dict[str, float]
    seconds: float  # of a processor

    def agrees(self, figure: str) -> bool:
        """Whether ours rounds to what was published."""
        published = self.case.published[figure]
        digits = len(published.partition(".")[2])
        return abs(self.ours[figure] - float(published)) <= 0.5 * 10**-digits + 1e-9

    @property
    def agree(self) -> bool:
        return all(self.agrees(figure) for figure in self.case.published)


def measure(case: Case, traces: Path, planner: Planner | None = None) -> Measured:
    """Replay one case; the seconds are those of a processor, without reading the trace."""
    experiment = prepare(
        str(traces / f"{case.trace}.csv.gz"),
        processors=POOLS[case.trace],
        cleaning=CleaningRules(overrun=case.overrun),
        windows=case.windows,
    )
    rules = Rules(policy=case.policy, backfill=case.backfill, explain=False)
    start = time.process_time()
    figures = experiment.run(Settings(rules, case.ties, case.run_times), planner=planner).metrics
    seconds = time.process_time() - start
    return Measured(case, {name: getattr(figures, name) for name in case.published}, seconds)


def rows(done: Measured) -> Iterator[tuple[str, ...]]:
    case = done.case
    for figure, published in case.published.items():
        digits = len(published.partition(".")[2])
        verdict = "PASS" if done.agrees(figure) else "FAIL"
        ours = f"{done.ours[figure]:.{digits}f}"
        yield case.source, case.trace, case.name, figure, published, ours, verdict, f"{done.seconds:.0f}"


def ask(folder: Path, words: list[str]) -> list[Case]:
    """The cases that were asked for and whose traces are there."""
    wanted = [case for case in CASES if not words or any(word in f"{case.trace} {case.name}" for word in words)]
    missing = sorted({case.trace for case in wanted if not (folder / f"{case.trace}.csv.gz").exists()})
    for trace in missing:
        print(f"left out: {folder / trace}.csv.gz is not there", file=sys.stderr)
    return [case for case in wanted if case.trace not in missing]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published_figures", description=__doc__)
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the traces")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="cases whose name has it: kth, sjbf"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="cases that are replayed at a time")
    parser.add_argument("--planner", action="store_true", help="ask the planner, where counting would do")
    options = parser.parse_args()
    planner = make_plan if options.planner else None
    cases = ask(options.traces, options.only)
    table = Table("source", "trace", "set-up", "figure", "published", "ours", "", "CPU s", box=None)
    with ProcessPoolExecutor(options.processes) as pool:
        done = list(pool.map(measure, cases, repeat(options.traces), repeat(planner)))
    for one in done:
        for row in rows(one):
            table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    report_speed(done)
    sys.exit(not all(one.agree for one in done))


def report_speed(done: list[Measured]) -> None:
    """The whole of CTC has 77,199 jobs and 154,398 events."""
    for one in done:
        if one.case.source == "SC'15" and one.case.trace == CTC and one.case.backfill is Backfill.EASY:
            verdict = "PASS" if one.seconds <= SECONDS_FOR_CTC else "FAIL"
            print(f"whole CTC under EASY: {one.seconds:.0f} s (at most {SECONDS_FOR_CTC} s wanted) {verdict}")


if __name__ == "__main__":
    main()
