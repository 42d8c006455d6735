"""One trace, one cluster, several ways to schedule: the question that a simulation answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scheduling.planning.plan import make_plan
from simulator.cleaning import CleaningRules, CleanJob, clean
from simulator.cluster import Cluster, nodes_of, pool, read_nodes
from simulator.counting_replay import CountingReplay, is_exact
from simulator.event_loop import EventLoop, Progress
from simulator.metrics import Metrics, mean_over, measure
from simulator.outcome import Outcome
from simulator.reading import read_trace
from simulator.replay import Planner, Replay
from simulator.settings import Settings
from simulator.synthetic import DEFAULT_SIZE, generate, recipe
from simulator.trace import SimulationError

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

    @property
    def jobs(self) -> int:
        return sum(len(window) for window in self.windows)

    def run(self, settings: Settings, told: Progress | None = None, *, planner: Planner | None = None) -> Result:
        """Replay every window. `told` hears from time to time how many jobs have ended, of `jobs`.

        Without a planner of the caller's it is the platform's own; where counting processors gives the same, they are
        counted instead.
        """
        outcomes: list[Outcome] = []
        done = 0
        for window in self.windows:
            outcomes.append(self._replay(window, settings, planner).run(told and _counting_from(done, told)))
            done += len(window)
        metrics = mean_over([measure(outcome, self.cluster.size) for outcome in outcomes])
        return Result(metrics, outcomes[0])

    def _replay(self, window: Sequence[CleanJob], settings: Settings, planner: Planner | None) -> EventLoop:
        if planner is None and is_exact(self.cluster, settings.rules):
            return CountingReplay(window, self.cluster, settings, source=self.source)
        return Replay(window, self.cluster, settings, source=self.source, planner=planner or make_plan)


def _counting_from(done: int, told: Progress) -> Progress:
    return lambda ended: told(done + ended)


def prepare(
    trace: str,
    *,
    processors: int | None = None,
    nodes: str | None = None,
    cleaning: CleaningRules | None = None,
    windows: Sequence[Window] = (),
) -> Experiment:
    """Read or make the trace, clean it and cut the windows; without one, all of it is replayed."""
    made = recipe(trace)
    cluster = _cluster(DEFAULT_SIZE if made and not processors and not nodes else processors, nodes)
    cleaned = clean(generate(made, cluster.size) if made else read_trace(Path(trace)), cleaning)
    cut = tuple(window.of(cleaned.jobs) for window in windows) or (cleaned.jobs,)
    return Experiment(trace, cluster, cut, cleaned.sentence())


def _cluster(processors: int | None, nodes: str | None) -> Cluster:
    if (processors is None) == (nodes is None):
        raise SimulationError(
            "Say how large the cluster is: --pool P for P processors without node boundaries, or --nodes 16x64x8 "
            "(COUNTxCPUSxGPUS) or a CSV file of nodes. One of the two."
        )
    if nodes is None:
        return pool(processors or 0)
    return read_nodes(Path(nodes)) if nodes.lower().endswith(NODES_FILE) else nodes_of(nodes)
