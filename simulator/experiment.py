"""One trace, one cluster, several ways to schedule: the question that a simulation answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from scheduling.planning.plan import make_plan
from simulator.cleaning import Cleaning, CleaningRules, CleanJob, clean
from simulator.cluster import Cluster, nodes_of, pool, read_nodes
from simulator.counting_floor import CountingFloorReplay, counts_floor
from simulator.counting_replay import CountingReplay, is_exact
from simulator.event_loop import EventLoop, Progress
from simulator.metrics import Metrics, mean_over, measure
from simulator.outcome import Outcome
from simulator.reading import read_trace
from simulator.replay import Planner, Replay
from simulator.settings import Settings
from simulator.sharing.figures import Sharing
from simulator.swf import Width
from simulator.synthetic import DEFAULT_SIZE, generate, recipe
from simulator.trace import SimulationError, Trace

NODES_FILE = ".csv"
NOTHING_SHARED = Sharing()


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
    sharing: Sharing = NOTHING_SHARED

    @property
    def jobs(self) -> int:
        return sum(len(window) for window in self.windows)

    def run(self, settings: Settings, told: Progress | None = None, *, planner: Planner | None = None) -> Result:
        """Replay every window. `told` hears from time to time how many jobs have ended, of `jobs`.

        Without a planner of the caller's it is the platform's own; where counting processors gives the same, they are
        counted instead.
        """
        outcomes: list[Outcome] = []
        found: list[Metrics] = []
        done = 0
        for window in self.windows:
            outcomes.append(self._replay(window, settings, planner).run(told and _counting_from(done, told)))
            found.append(self._measured(window, outcomes[-1]))
            done += len(window)
        return Result(mean_over(found), outcomes[0])

    def _measured(self, window: Sequence[CleanJob], outcome: Outcome) -> Metrics:
        requests = self.cluster.requests(window, self.source)
        return replace(
            measure(outcome, self.cluster.size), **self.sharing.figures(outcome, window, self.cluster, requests)
        )

    def _replay(self, window: Sequence[CleanJob], settings: Settings, planner: Planner | None) -> EventLoop:
        projects, prices = self.sharing.projects, self.sharing.prices
        if planner is None and projects is None and is_exact(self.cluster, settings.rules):
            return CountingReplay(window, self.cluster, settings, source=self.source)
        if planner is None and projects is None and prices is None and counts_floor(self.cluster, settings):
            return CountingFloorReplay(window, self.cluster, settings, source=self.source)
        return Replay(
            window, self.cluster, settings, source=self.source, planner=planner or make_plan, projects=projects
        )


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
    sharing: Sharing = NOTHING_SHARED,
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
    projects = sharing.projects
    cleaned = clean(
        read.jobs,
        cleaning,
        fits=lambda job: holds(request := cluster.request(job)) and not (projects and projects.refuses(job, request)),
    )
    if projects:
        for one in cleaned.jobs:
            projects.check(one.trace, cluster.request(one.trace), trace)
    cut = tuple(window.of(cleaned.jobs) for window in windows) or (cleaned.jobs,)
    counts = cleaned.counts() | {"out_of_order": read.out_of_order, "parts": read.parts}
    return Experiment(trace, cluster, cut, _said(read, cleaned, None if named else cluster), counts, sharing)


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
