"""The recommended batch policies, `responsive` and `floor`, against plain EASY backfilling on whole logs: the figures that count.

Run: python -m benchmarks.recommended_policy [--traces FOLDER] [--knobs] [--only PATTERN] [--plots FOLDER] [--window START:COUNT] [NAME:CLUSTER ...]

CLUSTER is a number of processors in one pool, or nodes as COUNTxCPUSxGPUS (kth_sp2_1996:100x1x0). Without names it replays KTH
and CTC, which are looked for as in published_figures. All are replayed by the same planner with natural ties; the policies
know the users' walltimes and the jobs that have ended, nothing else. Jobs that run before their turn save their work each
half hour. Ends with 1 if a ratio is above its bar. --knobs also shows how the figures move with the bounded wait, with what
is known of run times, with the part of the jobs that save their work, and with what a stop takes. Replays count processors
and take seconds, but those on nodes and those in which a stop takes time: these ask the planner, some minutes for KTH.
"""

import argparse
import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import floor_plots
from benchmarks.published_figures import TRACES
from scheduling.rules import HOUR, Preemption, Rules
from simulator.experiment import Window, prepare
from simulator.metrics import later_than
from simulator.settings import RunTimes, Settings

LOGS = ("kth_sp2_1996:100", "ctc_sp2_1996:338")
RATIOS = ("mean_bounded_slowdown", "mean_wait_s", "p95_wait_s", "max_wait_s")
COLUMNS = (*RATIOS, "later", "latest_by_s", "stops_a_job", "lost_part")
EXACT = 1e-6
HALF_AN_HOUR = 0.5 * HOUR
MINUTE = 60.0
SLACK = 0.05
RESPONSIVE = Rules(policy="responsive", explain=False)


@dataclass(frozen=True)
class Variant:
    """One way to schedule a log; `bars` are the most that it may show."""

    name: str
    settings: Settings
    bars: Mapping[str, float] = field(default_factory=dict)


def variant(name: str, rules: Rules, run_times: RunTimes = RunTimes.LEARNED, **bars: float) -> Variant:
    return Variant(name, Settings(rules, run_times=run_times), bars)


def floor(
    what: str = "", *, slack: float = 0.0, share: float = 1.0, restart: float = 0.0, grace: float = 0.0, **bars: float
) -> Variant:
    """`share` of the jobs save their work; to stop one takes its grace, and to go on the restart."""
    rules = Rules(policy="floor", floor_slack=slack, preemption=Preemption(restart_cost_seconds=restart), explain=False)
    learned, every = RunTimes.LEARNED, HALF_AN_HOUR
    how = Settings(rules, run_times=learned, checkpoint_s=every, checkpointable=share, restart_s=restart, grace_s=grace)
    return Variant(f"floor, {f'{slack:.0%} of slack' if slack else 'exact'}{what}", how, bars)


def floors(what: str, **how: float) -> tuple[Variant, Variant]:
    """Exact, and with slack."""
    return floor(what, **how), floor(what, slack=SLACK, **how)


EASY = variant("EASY", Rules(policy="fifo", explain=False), RunTimes.REQUESTED)
RECOMMENDED = (
    variant("responsive", RESPONSIVE, mean_bounded_slowdown=0.55, mean_wait_s=0.90, max_wait_s=1.25),
    floor(later=0, max_wait_s=1.0),
    floor(slack=SLACK, max_wait_s=1 + SLACK, lost_part=0.02),
)


def bounded(hours: int) -> Variant:
    rules = Rules(policy="responsive", bounded_wait_seconds=hours * HOUR, explain=False)
    return variant(f"responsive, bound {hours} h", rules)


KNOBS = (
    *(bounded(hours) for hours in (24, 32, 40, 48, 72)),
    variant("responsive, walltimes only", RESPONSIVE, RunTimes.REQUESTED),
    variant("responsive, true run times", RESPONSIVE, RunTimes.EXACT),
    variant("sjf, learned run times", Rules(policy="sjf", explain=False)),
    *(one for share in (0.5, 0.25, 0.0) for one in floors(f", {share:.0%} save their work", share=share)),
    *floors(", to go on takes 60 s", restart=MINUTE),
    *floors(", a stop takes 60 s too", restart=MINUTE, grace=MINUTE),
)


@dataclass(frozen=True)
class Replayed:
    log: str
    variant: Variant
    figures: Mapping[str, float]
    ends: Mapping[int, float]

    def against(self, easy: "Replayed") -> dict[str, float]:
        """Ratios where EASY has the same figure; and who ended later than there, and by how much."""
        later = later_than(easy.ends, self.ends)
        return {
            **{name: self.figures[name] / easy.figures[name] for name in RATIOS},
            "later": later.jobs,
            "latest_by_s": later.at_most_s,
            "stops_a_job": self.figures["stops_a_job"],
            "lost_part": self.figures["lost_part"],
        }


def replay(log: str, one: Variant, traces: Path, windows: Sequence[Window] = ()) -> Replayed:
    trace, _, where = log.partition(":")
    path = trace if Path(trace).exists() else str(traces / f"{trace}.csv.gz")
    on_nodes = "x" in where
    nodes, processors = (where, None) if on_nodes else (None, int(where))
    experiment = prepare(path, nodes=nodes, processors=processors, windows=windows)
    done = experiment.run(one.settings)
    jobs = done.outcome.jobs
    figures = {name: getattr(done.metrics, name) for name in RATIOS}
    figures["stops_a_job"] = done.metrics.preemptions / len(jobs)
    figures["lost_part"] = done.metrics.lost_part
    return Replayed(log, one, figures, done.outcome.ends)


def passes(found: Mapping[str, float], bars: Mapping[str, float]) -> bool:
    return all(found[name] <= bar + EXACT for name, bar in bars.items())


def show(done: Sequence[Replayed]) -> bool:
    """A row for each replay; whether every variant is within its bars on every log."""
    table = Table("log", "variant", *COLUMNS, "", box=None)
    good = True
    easy = {one.log: one for one in done if one.variant is EASY or one.variant.name == EASY.name}
    for one in done:
        if one.variant.name == EASY.name:
            cells, verdict = [f"{one.figures[name]:,.2f}" for name in RATIOS] + [""] * 4, ""
        else:
            found = one.against(easy[one.log])
            cells = [_shown(name, value) for name, value in found.items()]
            within = passes(found, one.variant.bars)
            verdict = ("PASS" if within else "FAIL") if one.variant.bars else ""
            good = good and within
        table.add_row(one.log, one.variant.name, *cells, verdict)
    Console(width=None if sys.stdout.isatty() else 190).print(table)
    return good


def draw(done: Sequence[Replayed], folder: Path) -> None:
    """What the exact floor and that with slack do to each log, as pictures; variants that go on for free."""
    easy = {one.log: one for one in done if one.variant.name == EASY.name}
    differences: dict[str, list[float]] = {}
    ratios: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in done:
        how = one.variant.settings
        if how.rules.policy != "floor" or how.restart_s:
            continue
        slack, plain = how.rules.floor_slack, easy[one.log]
        name = f"{one.log.partition(':')[0]}, {f'{slack:.0%} of slack' if slack else 'exact'}"
        ratios[name].append((how.checkpointable, one.against(plain)[RATIOS[0]]))
        if how.checkpointable == 1:
            differences[name] = [(end - plain.ends[number]) / HOUR for number, end in one.ends.items()]
    folder.mkdir(parents=True, exist_ok=True)
    floor_plots.draw_ends(differences, folder / "floor_ends.png")
    floor_plots.draw_gain(ratios, folder / "floor_gain.png")


def _shown(name: str, value: float) -> str:
    if name in RATIOS:
        return f"{value:.3f} x"
    if name == "lost_part":
        return f"{value:.2%}"
    return f"{value:,.2f}" if name == "stops_a_job" else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommended_policy", description=__doc__)
    parser.add_argument("logs", nargs="*", metavar="NAME:CLUSTER", help="a trace by name or path, and what runs it")
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the traces")
    parser.add_argument("--knobs", action="store_true", help="also how the figures move with the knobs")
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="beside EASY only those in whose names this is found"
    )
    parser.add_argument("--plots", metavar="FOLDER", type=Path, help="also draw floor_ends.png and floor_gain.png")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="replays at a time")
    parser.add_argument("--window", metavar="START:COUNT", type=Window.parse, help="only so many jobs of each log")
    options = parser.parse_args()
    logs = options.logs or [log for log in LOGS if (options.traces / f"{log.partition(':')[0]}.csv.gz").exists()]
    if not logs:
        parser.error(f"There are no traces in {options.traces}: name a folder with --traces, or a file.")
    chosen = [one for one in (*RECOMMENDED, *(KNOBS if options.knobs else ())) if re.search(options.only, one.name)]
    variants = (EASY, *chosen)
    work = [(log, one) for log in logs for one in variants]
    with ProcessPoolExecutor(options.processes) as pool:
        windows = (options.window,) if options.window else ()
        done = list(pool.map(partial(replay, traces=options.traces, windows=windows), *zip(*work, strict=True)))
    if options.plots:
        draw(done, options.plots)
    sys.exit(not show(done))


if __name__ == "__main__":
    main()
