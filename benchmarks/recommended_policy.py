"""The recommended batch policies, `responsive` and `floor`, against plain EASY backfilling on whole logs: the figures that count.

Run: python -m benchmarks.recommended_policy [--traces FOLDER] [--knobs] [NAME:CLUSTER ...]

CLUSTER is a number of processors in one pool, or nodes as COUNTxCPUSxGPUS (kth_sp2_1996:100x1x0). Without names it replays KTH
and CTC, which are looked for as in published_figures. All are replayed by the same planner with natural ties; the policies
know the users' walltimes and the jobs that have ended, nothing else. Jobs that run before their turn save their work each
half hour. Ends with 1 if a ratio is above its bar. --knobs also shows how the figures move with the bounded wait, with what
is known of run times, with the part of the jobs that save their work, and with what a stop takes.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.published_figures import TRACES
from scheduling.rules import HOUR, Preemption, Rules
from simulator.experiment import prepare
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


def floor(name: str, slack: float = 0.0, *, share: float = 1.0, takes: float = 0.0, **bars: float) -> Variant:
    """`share` of the jobs save their work; to stop one takes so long, and to go on as well."""
    rules = Rules(policy="floor", floor_slack=slack, preemption=Preemption(restart_cost_seconds=takes), explain=False)
    learned, every = RunTimes.LEARNED, HALF_AN_HOUR
    how = Settings(rules, run_times=learned, checkpoint_s=every, checkpointable=share, restart_s=takes, grace_s=takes)
    return Variant(name, how, bars)


EASY = variant("EASY", Rules(policy="fifo", explain=False), RunTimes.REQUESTED)
RECOMMENDED = (
    variant("responsive", RESPONSIVE, mean_bounded_slowdown=0.50, mean_wait_s=0.75, max_wait_s=1.25),
    floor("floor, exact", later=0, max_wait_s=1.0),
    floor(f"floor, {SLACK:.0%} of slack", SLACK, max_wait_s=1 + SLACK, lost_part=0.02),
)


def bounded(hours: int) -> Variant:
    rules = Rules(policy="responsive", bounded_wait_seconds=hours * HOUR, explain=False)
    return variant(f"responsive, bound {hours} h", rules)


KNOBS = (
    *(bounded(hours) for hours in (24, 32, 40, 48, 72)),
    variant("responsive, walltimes only", RESPONSIVE, RunTimes.REQUESTED),
    variant("responsive, true run times", RESPONSIVE, RunTimes.EXACT),
    variant("sjf, learned run times", Rules(policy="sjf", explain=False)),
    *(floor(f"floor, exact, {share:.0%} save their work", share=share) for share in (0.5, 0.25, 0.0)),
    floor("floor, exact, a stop takes 2 x 60 s", takes=MINUTE),
    floor("floor, 5 %, a stop takes 2 x 60 s", SLACK, takes=MINUTE),
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


def replay(log: str, one: Variant, traces: Path) -> Replayed:
    trace, _, where = log.partition(":")
    path = trace if Path(trace).exists() else str(traces / f"{trace}.csv.gz")
    on_nodes = "x" in where
    experiment = prepare(path, nodes=where if on_nodes else None, processors=None if on_nodes else int(where))
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
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="replays at a time")
    options = parser.parse_args()
    logs = options.logs or [log for log in LOGS if (options.traces / f"{log.partition(':')[0]}.csv.gz").exists()]
    if not logs:
        parser.error(f"There are no traces in {options.traces}: name a folder with --traces, or a file.")
    variants = (EASY, *RECOMMENDED, *(KNOBS if options.knobs else ()))
    work = [(log, one) for log in logs for one in variants]
    with ProcessPoolExecutor(options.processes) as pool:
        done = list(pool.map(replay, *zip(*work, strict=True), [options.traces] * len(work)))
    sys.exit(not show(done))


if __name__ == "__main__":
    main()
