"""A pool that grows and shrinks with its demand, against a fleet that is always at its most, on a day of a real trace.

Run: python -m benchmarks.autoscaling [--traces FOLDER] [--nodes COUNTxCPUSxGPUS] [--hours N] [--from HOUR] [--startup SECONDS] [--spare N]

Bars: the sum of all waits is at most 1.1 times that of the whole fleet, and the pool's node-hours at most 1.15 times the
work's own need, which are the hours in which the nodes of the fleet that is always there hold jobs. No flaps: no node is
added and given back within 15 minutes without a job. Ends with 1 if a bar is missed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.published_figures import TRACES
from scheduling.rules import HOUR, Rules
from simulator.autoscaled_replay import AutoscaledReplay, Autoscaling, Lifetime
from simulator.cleaning import CleanJob
from simulator.cluster import nodes_of
from simulator.experiment import prepare
from simulator.outcome import Outcome
from simulator.replay import Replay
from simulator.settings import RunTimes, Settings

WAIT_BAR, NODE_HOURS_BAR, FLAP_SECONDS = 1.1, 1.15, 900.0


def waits(outcome: Outcome) -> float:
    return sum(job.start - job.job.trace.submit_s for job in outcome.jobs)


def busy_seconds(outcome: Outcome) -> float:
    """The time for which nodes hold jobs, over all nodes."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for run in outcome.runs:
        for node in run.nodes:
            spans.setdefault(node, []).append((run.start, run.end))
    return sum(_covered(sorted(of)) for of in spans.values())


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    covered, until = 0.0, float("-inf")
    for start, end in spans:
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def flaps(lifetimes: Sequence[Lifetime], outcome: Outcome) -> int:
    """Nodes that were given back soon after they had been asked for, and had held nothing."""
    used = [(node, run.start) for run in outcome.runs for node in run.nodes]
    short = [one for one in lifetimes if one.removed_at - one.asked_at < FLAP_SECONDS]
    return sum(not any(n == one.node and one.asked_at <= at < one.removed_at for n, at in used) for one in short)


def window(jobs: Sequence[CleanJob], first_hour: float, hours: float) -> list[CleanJob]:
    begin = jobs[0].trace.submit_s + first_hour * HOUR
    return [job for job in jobs if begin <= job.trace.submit_s < begin + hours * HOUR]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, default=TRACES)
    parser.add_argument("--nodes", default="64x64x8")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--from", dest="first_hour", type=float, default=96.0)
    parser.add_argument("--startup", type=float, default=60.0)
    parser.add_argument("--spare", type=int, default=1)
    given = parser.parse_args()
    cluster = nodes_of(given.nodes)
    whole = prepare(str(given.traces / "philly_2017.csv.gz"), nodes=given.nodes).windows[0]
    jobs = window(whole, given.first_hour, given.hours)
    settings = Settings(Rules(policy="fifo", explain=False), run_times=RunTimes.REQUESTED)
    fleet = Replay(jobs, cluster, settings).run()
    pool = AutoscaledReplay(jobs, cluster, settings, Autoscaling(startup_s=given.startup, spare_nodes=given.spare))
    scaled = pool.run()
    need = busy_seconds(fleet)
    paid = sum(one.removed_at - one.asked_at for one in pool.lifetimes)
    wait_ratio, hours_ratio, flapped = waits(scaled) / waits(fleet), paid / need, flaps(pool.lifetimes, scaled)
    table = Table("", "whole fleet", "autoscaled", "ratio", "bar")
    table.add_row(
        "total wait, h",
        f"{waits(fleet) / HOUR:,.1f}",
        f"{waits(scaled) / HOUR:,.1f}",
        f"{wait_ratio:.3f}",
        f"{WAIT_BAR}",
    )
    table.add_row(
        "node-hours", f"{need / HOUR:,.1f} busy", f"{paid / HOUR:,.1f} paid", f"{hours_ratio:.3f}", f"{NODE_HOURS_BAR}"
    )
    table.add_row("flaps", "", f"{flapped} of {len(pool.lifetimes)} nodes", "", "0")
    Console(width=100).print(f"{len(jobs)} jobs of {given.hours:g} h", table)
    return int(wait_ratio > WAIT_BAR or hours_ratio > NODE_HOURS_BAR or flapped > 0)


if __name__ == "__main__":
    sys.exit(main())
