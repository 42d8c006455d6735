"""A pool that grows and shrinks with its demand, against a fleet that is always at its most, on a day of a real trace.

Run: python -m benchmarks.autoscaling [--traces FOLDER] [--nodes COUNTxCPUSxGPUS] [--hours N] [--from HOUR] [--startup SECONDS] [--spare N]
     [--consolidate [--checkpoint SECONDS] [--saving PART] [--margin N] [--no-limits]]

Bars: the sum of all waits is at most 1.1 times that of the whole fleet, and the pool's node-hours at most 1.15 times the
work's own need, which are the hours in which the nodes of the fleet that is always there hold jobs. No flaps: no node is
added and given back within 15 minutes without a job.

With --consolidate the pool is replayed once more, and its jobs are moved together where that pays: those that save their
work, PART of all, go on from their last checkpoint, one every SECONDS, after a grace and a restart. That one has to need
fewer node-hours than the pool that moves nobody. --no-limits: nobody knows how long jobs run. Ends with 1 if a bar is missed.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.published_figures import TRACES
from scheduling.planning.rebalancing import Knobs
from scheduling.rules import HOUR, Preemption, Rules
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


class Scaled(NamedTuple):
    """A replay of the pool: what became of the jobs, and of the nodes."""

    pool: AutoscaledReplay
    outcome: Outcome

    @property
    def paid(self) -> float:
        """Seconds from the moment at which a node was asked for until it was given back, over all nodes."""
        return sum(one.removed_at - one.asked_at for one in self.pool.lifetimes)

    @property
    def flaps(self) -> int:
        return flaps(self.pool.lifetimes, self.outcome)

    @property
    def moves(self) -> int:
        return sum(len(one.found.moves) for one in self.pool.emptied)

    @property
    def asked_again(self) -> int:
        """Nodes that were asked for within 15 minutes after one had been emptied."""
        emptied = [one.at for one in self.pool.emptied]
        return sum(any(at < one.asked_at < at + FLAP_SECONDS for at in emptied) for one in self.pool.lifetimes)


def rows(fleet: Outcome, need: float, ways: Sequence[Scaled]) -> Iterator[Sequence[str]]:
    whole = waits(fleet)
    waited = [waits(one.outcome) for one in ways]
    yield "total wait, h", f"{whole / HOUR:,.1f}", *(f"{one / HOUR:,.1f} ({one / whole:.3f})" for one in waited)
    stood = [sum(job.wait_s for job in one.outcome.jobs) for one in ways]
    yield "all time without progress, h", f"{whole / HOUR:,.1f}", *(f"{one / HOUR:,.1f}" for one in stood)
    yield "node-hours", f"{need / HOUR:,.1f}", *(f"{one.paid / HOUR:,.1f} ({one.paid / need:.3f})" for one in ways)
    yield "flaps", "", *(f"{one.flaps} of {len(one.pool.lifetimes)} nodes" for one in ways)
    yield "moves", "", *(f"{one.moves} jobs off {len(one.pool.emptied)} nodes" for one in ways)
    lost = [sum(run.lost_s * run.width for run in one.outcome.runs) for one in ways]
    yield "GPU-hours lost by moves", "", *(f"{one / HOUR:,.1f}" for one in lost)
    yield "nodes asked for within 15 min of an emptying", "", *(f"{one.asked_again}" for one in ways)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, default=TRACES)
    parser.add_argument("--nodes", default="64x64x8")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--from", dest="first_hour", type=float, default=96.0)
    parser.add_argument("--startup", type=float, default=60.0)
    parser.add_argument("--spare", type=int, default=1)
    parser.add_argument("--consolidate", action="store_true")
    parser.add_argument("--checkpoint", type=float, default=1_800.0)
    parser.add_argument("--saving", type=float, default=1.0)
    parser.add_argument("--margin", type=float, default=Knobs().margin)
    parser.add_argument("--no-limits", action="store_true")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    cluster, moves = nodes_of(given.nodes), Knobs(margin=given.margin)
    whole = prepare(str(given.traces / "philly_2017.csv.gz"), nodes=given.nodes).windows[0]
    jobs = window(whole, given.first_hour, given.hours)
    if given.no_limits:
        jobs = [replace(job, walltime_s=None) for job in jobs]
    settings = Settings(
        Rules(policy="fifo", explain=False),
        run_times=RunTimes.REQUESTED,
        checkpoint_s=given.checkpoint,
        checkpointable=given.saving,
        restart_s=Preemption().restart_cost_seconds,
        grace_s=moves.stop_seconds,
    )
    fleet = Replay(jobs, cluster, settings).run()
    usual = Autoscaling(startup_s=given.startup, spare_nodes=given.spare)
    ways = []
    for how in (usual, replace(usual, moves=moves))[: 1 + given.consolidate]:
        pool = AutoscaledReplay(jobs, cluster, settings, how)
        ways.append(Scaled(pool, pool.run()))
    need = busy_seconds(fleet)
    table = Table("", "whole fleet", *("autoscaled", "jobs moved together")[: len(ways)])
    for row in rows(fleet, need, ways):
        table.add_row(*row)
    Console(width=120).print(
        f"{len(jobs)} jobs of {given.hours:g} h; in brackets: as a ratio to the whole fleet", table
    )
    plain, last = ways[0], ways[-1]
    missed = waits(plain.outcome) > WAIT_BAR * waits(fleet) or plain.paid > NODE_HOURS_BAR * need or plain.flaps > 0
    return int(missed or last.paid > plain.paid)


if __name__ == "__main__":
    sys.exit(main())
