"""The seam between the platform and a cluster that runs commands by its own means: what every engine can be asked.

A *bridge* claims placements and reports ends; an *engine* (Kubernetes, Slurm) starts, observes and stops what the bridge
claimed. The unit is the attempt: its placements, one a node, are started together as one *workload* of the engine's
(a Kubernetes Job, a Slurm batch job). Every call may be repeated: a bridge may die between any two of them, and the
next one asks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from jobs.attempts.claims import PlacementSpec
from scheduling.lifecycle import EndReason


class OutOfReachError(Exception):
    """The cluster did not answer, or not with sense: nothing is known, and nothing may be concluded. Says it in words."""


class RefusedError(Exception):
    """The cluster will not run this workload as asked. `reason` and the text say why; `charged` as in PlacementOutcome."""

    def __init__(self, message: str, reason: EndReason = EndReason.START_FAILED, *, charged: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.charged = charged


@dataclass(frozen=True, slots=True)
class ClusterGpu:
    """One device of a node, as far as the cluster tells: its model and memory may be unknown ("" and 0)."""

    model: str = ""
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node of a cluster: what it can give to workloads, and what of that others than this bridge use now."""

    name: str
    """The cluster's own name of it."""
    cpus: int
    memory_mb: int
    gpus: tuple[ClusterGpu, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    usable: bool = True
    """False: cordoned, drained, not ready: nothing new starts there."""
    why_unusable: str = ""
    address: str = ""
    others_cpus: float = 0.0
    others_memory_mb: int = 0
    others_gpus: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """One attempt as an engine starts it."""

    name: str
    """Made of the job, the attempt and its token: the same attempt always has the same, no other ever has it.

    Small letters, digits and dashes, a letter first, at most 52: valid as a DNS label with room for an index.
    """
    members: tuple[PlacementSpec, ...]
    """By rank; one, unless it is a gang. What concerns the job is the same in each."""
    nodes: tuple[str, ...]
    """The cluster's own names of the nodes that the planner chose, by rank."""
    image: str = ""
    gpu_model: str = ""
    priority: int = 50
    queue: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""

    @property
    def job(self) -> PlacementSpec:
        return self.members[0]


class Phase(StrEnum):
    """How far a workload is, as the cluster tells."""

    WAITING = "waiting"  # taken by the cluster, nothing of it runs yet
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Observed:
    """One workload as the cluster shows it. Times are seconds since the epoch, by the cluster's clock."""

    name: str
    phase: Phase
    started_at: float | None = None
    ended_at: float | None = None
    reason: EndReason | None = None
    """Of an ended one: COMPLETED, EXIT_CODE, TIMEOUT, OUT_OF_MEMORY, NODE_LOST, PREEMPTED, START_FAILED ..."""
    exit_code: int | None = None
    message: str = ""
    """Of an ended one why, of a waiting one what it waits for: in the cluster's own words, made readable."""
    rank: int | None = None
    """Of a gang that ended badly: whose end it was, if the cluster tells. None: rank 0 answers for all."""
    charged: bool = True
    stop_asked: bool = False
    """It ended after `stop` was asked of it (the cluster remembers, e.g. by an annotation)."""
    peak_memory_mb: int | None = None
    cpu_seconds: float | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What a member wrote from a position on. `position` is where to read next; `lost` says why bytes are missing, if any are.

    `whole`: who wrote it has ended, and this is the last of it. Where nobody knows, reading once more finds out.
    """

    data: bytes
    position: int
    lost: str = ""
    whole: bool = False


class Engine(Protocol):
    """One cluster, through its own means. Raises OutOfReachError wherever it does not answer; never blocks for long.

    Used by one thread at a time, but for `wait`, which a thread of its own may sit in meanwhile; one that says so by
    `asks_at_once` is asked several things at once.
    """

    kind: str
    """`kubernetes` or `slurm`."""

    asks_at_once: int
    """How many calls of `start`, `read_log`, `read_reports` and `forget` may be under way together, each about another
    workload and in a thread of its own, and beside any call of the bridge's own thread; 1, or not there: none beside another."""

    def nodes(self) -> Sequence[ClusterNode]:
        """All nodes, with what others use of them now. One or few requests, whatever the size."""

    def start(self, workload: Workload) -> None:
        """Create it if it is not there; quietly nothing if it is. Raises RefusedError if the cluster will not take it."""

    def observe(self) -> Mapping[str, Observed]:
        """Everything of this bridge's that the cluster knows, by name, ended ones too until `forget`. One request for all."""

    def wait(self, seconds: float) -> None:
        """Return when something may have changed, at the latest after so many seconds (a watch, or a plain pause).

        Called in a thread of its own, beside the others: who returns early is observed at once, who takes all the time
        is observed as often as the bridge looks anyway. Raises nothing that matters: out of reach, it just pauses.
        """

    def stop(self, name: str, grace_seconds: float) -> None:
        """Ask it to end: SIGTERM, then SIGKILL after the grace. May be repeated; a shorter grace wins. Not there: nothing."""

    def forget(self, name: str) -> None:
        """Its end is on record: remove what the cluster keeps of it. Not there: nothing."""

    def read_log(self, name: str, rank: int, position: int) -> Output:
        """What the member of this rank printed, from a byte on; at most a few MB."""

    def read_reports(self, name: str, position: int) -> Output:
        """What rank 0 wrote to TRAINYARD_REPORT, from a byte on: whole lines are not promised."""

    def unsupported(self) -> Mapping[str, str]:
        """Fields of a job that this engine cannot honour, with the reason in a sentence: refused at submission."""

    def close(self) -> None:
        """Let go of connections and watches. What runs, runs on."""


class Connect(Protocol):
    """How a bridge comes to its engine: `connect` in `executors/<kind>/engine.py`, found by the setting ENGINES.

    `options` are the words that were given to `manage.py bridge` as `--set NAME=VALUE`. Raises ValueError
    naming an option that it does not know, or a value that will not do, and what would. Asks the cluster nothing yet:
    that it is out of reach is no reason not to begin.
    """

    def __call__(self, cluster: str, options: Mapping[str, str]) -> Engine: ...
