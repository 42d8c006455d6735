"""One trace, one cluster, several ways to schedule: the question that a simulation answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scheduling.planning.plan import make_plan
from simulator.cleaning import Cleaning, CleaningRules, CleanJob, clean
from simulator.cluster import Cluster, nodes_of, pool, read_nodes
from simulator.metrics import Metrics, mean_over, measure
from simulator.outcome import Outcome
from simulator.reading import read_trace
from simulator.replay import Planner, Progress, Replay
from simulator.settings import Settings
from simulator.swf import Width
from simulator.synthetic import DEFAULT_SIZE, generate, recipe
from simulator.trace import SimulationError, Trace

NODES_FILE = ".csv"


@dataclass(frozen=True, slots=True)
class Window:
    """So many clean jobs of the trace from that one on, counted from 0. Each window starts on an empty cluster."""

    start: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Window":
        """From `START:COUNT`."""
        start, _, count = text.partition(":")
        if not start.isdecimal() or not count.isdecimal() or not int(count):
            raise SimulationError(f"{text!r} is no window: write START:COUNT, like 0:10000 for the first 10,000 jobs.")
        return cls(int(start), int(count))

    def of(self, jobs: Sequence[CleanJob]) -> Sequence[CleanJob]:
        if self.start + self.count > len(jobs):
            raise SimulationError(
                f"The window {self.start}:{self.count} ends behind the last job: {len(jobs):,} can be replayed."
            )
        return jobs[self.start : self.start + self.count]


@dataclass(frozen=True, slots=True)
class Result:
    """The figures over all windows, and the first window job by job."""

    metrics: Metrics
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Experiment:
    """What stays the same while the settings vary."""

    source: str
    cluster: Cluster
    windows: tuple[Sequence[CleanJob], ...]
    said: str  # what was done to the trace
    counts: Mapping[str, int]  # the same, for a program

    @property
    def jobs(self) -> int:
        return sum(len(window) for window in self.windows)

    def run(self, settings: Settings, told: Progress | None = None, *, planner: Planner = make_plan) -> Result:
        """Replay every window. `told` hears from time to time how many jobs have ended, of `jobs`."""
        outcomes: list[Outcome] = []
        done = 0
        for window in self.windows:
            replay = Replay(window, self.cluster, settings, source=self.source, planner=planner)
            outcomes.append(replay.run(told and _counting_from(done, told)))
            done += len(window)
        metrics = mean_over([measure(outcome, self.cluster.size) for outcome in outcomes])
        return Result(metrics, outcomes[0])


def _counting_from(done: int, told: Progress) -> Progress:
    return lambda ended: told(done + ended)


def prepare(
    trace: str,
    *,
    processors: int | None = None,
    nodes: str | None = None,
    cleaning: CleaningRules | None = None,
    windows: Sequence[Window] = (),
    width: Width = Width.REQUESTED,
) -> Experiment:
    """Read or make the trace, clean it and cut the windows; without one, all of it is replayed.

    Without `processors` and `nodes` the cluster is as large as the trace says that its machine was.
    """
    made, named = recipe(trace), _named_cluster(processors, nodes)
    if made:
        cluster = named or pool(DEFAULT_SIZE)
        read = Trace(generate(made, cluster.size))
    else:
        read = read_trace(Path(trace), width)
        cluster = named or _machine(read)
    holds = cache(cluster.could_hold)
    cleaned = clean(read.jobs, cleaning, fits=lambda job: holds(cluster.request(job)))
    cut = tuple(window.of(cleaned.jobs) for window in windows) or (cleaned.jobs,)
    counts = cleaned.counts() | {"out_of_order": read.out_of_order, "parts": read.parts}
    return Experiment(trace, cluster, cut, _said(read, cleaned, None if named else cluster), counts)


def _named_cluster(processors: int | None, nodes: str | None) -> Cluster | None:
    if processors is not None and nodes is not None:
        raise _unknown_cluster("One of the two.")
    if processors is not None:
        return pool(processors)
    if nodes is None:
        return None
    return read_nodes(Path(nodes)) if nodes.lower().endswith(NODES_FILE) else nodes_of(nodes)


def _machine(read: Trace) -> Cluster:
    if read.machine is None:
        raise _unknown_cluster("The trace does not say it: only a header of SWF with MaxProcs or MaxNodes does.")
    return pool(read.machine.processors)


def _unknown_cluster(why: str) -> SimulationError:
    return SimulationError(
        "Say how large the cluster is: --pool P for P processors without node boundaries, or --nodes 16x64x8 "
        f"(COUNTxCPUSxGPUS) or a CSV file of nodes. {why}"
    )


def _said(read: Trace, cleaned: Cleaning, machine: Cluster | None) -> str:
    said = [cleaned.sentence()]
    if read.parts:
        said.append(f"lines that repeat parts of jobs, passed over: {read.parts:,}")
    if read.out_of_order:
        said.append(f"lines out of order, now sorted by the time of submission: {read.out_of_order:,}")
    if read.machine and machine:
        said.append(f"a pool of {machine.size:,} processors, as {read.machine.field} in its header says")
    return "; ".join(said)
