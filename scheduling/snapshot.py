"""What the planner sees: one frozen picture of the jobs, the nodes, the queues and the projects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import NamedTuple

from scheduling.executors import AGENT, ClusterView
from scheduling.lifecycle import JobState
from scheduling.longest_wait import LongestWait
from scheduling.native_quotas import NativeQuota
from scheduling.price_list import Price
from scheduling.reasons import ReasonCode
from scheduling.resources import Request, Resources
from scheduling.rules import PlacementWeights, Rules
from scheduling.speeds import NOTHING_LEARNED, Speeds


@dataclass(frozen=True, slots=True)
class Gpu:
    index: int
    model: str = ""
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class NodeView:
    """One machine with all it has, taken or not."""

    name: str
    cpus: int
    memory_mb: int
    gpus: tuple[Gpu, ...] = ()
    state: str = "up"  # up, draining or down
    alive: bool = True
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    failures: int = 0  # of jobs there of late, for which the platform answers; told to strategies that ask for them
    executor: str = AGENT  # who runs what is placed there: an agent, or a cluster of some kind
    cluster: str = ""  # that cluster
    leaves_at: float | None = None  # when it stops its jobs and goes, where that is known beforehand

    @property
    def amount(self) -> Resources:
        return Resources(self.cpus, self.memory_mb, len(self.gpus))


@dataclass(frozen=True, slots=True)
class QueueView:
    """A line of jobs. The higher rank goes first; an empty policy means the platform's."""

    name: str
    rank: int = 0
    state: str = "open"  # open, paused or draining
    max_running: int | None = None
    policy: str = ""
    placement_weights: PlacementWeights | None = None  # of strategies that score nodes; None: as usual
    each_user: "Limits | None" = None  # what one user's jobs in it may hold at once


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A named set of jobs of which only so many run at once; they say its `key` in `workload`."""

    key: str
    name: str
    max_running: int


class LoanLimits(NamedTuple):
    """How much of each resource is borrowed or lent at the most; None: nothing is borrowed, all that is unused is lent."""

    gpus: int | None = None
    cpus: int | None = None
    memory_mb: int | None = None


NO_LOAN_LIMITS = LoanLimits()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a project and all below it may hold at once; None is no limit. Not enforced: shown, nothing held back.

    It may borrow of what the others below the same parent leave, and lends them what it leaves, up to those limits.
    """

    gpus: int | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    running_jobs: int | None = None
    waiting_jobs: int | None = None
    enforced: bool = True
    borrowing: LoanLimits = NO_LOAN_LIMITS
    lending: LoanLimits = NO_LOAN_LIMITS
    each_user: "Limits | None" = None  # what one user may hold of it, and have waiting
    max_nodes: int | None = None  # of one job: asked at submission alone
    gpu_models: tuple[tuple[str, int], ...] = ()  # GPUs by model, beside `gpus`
    gpu_seconds_ahead: int | None = None  # GPUs times what is left to their limits, of all that runs


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A node of the tree of projects. What it uses counts for each of its ancestors too."""

    slug: str
    parent: str | None = None
    limits: Limits | None = None
    weight: float = 1.0  # its share among its siblings
    native: NativeQuota | None = None  # beside its limits, for its own jobs; not for those of projects below it

    @property
    def holder(self) -> str:
        """Whose limits they are, in words."""
        return f"The quota of project {self.slug}"

    @property
    def allows(self) -> str:
        """How a sentence about its limits begins."""
        return f"{self.holder} allows"

    @property
    def code(self) -> ReasonCode:
        """Of the reasons of those that it refuses."""
        return ReasonCode.QUOTA

    def held(self, shares: "Iterable[Allocation]", total: Resources) -> Resources:  # noqa: ARG002 - for who derives
        """What counts here of a job that holds these shares, `total` in all."""
        return total


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a job holds on one node."""

    node: str
    amount: Resources
    gpu_indices: tuple[int, ...] = ()
    rank: int = 0


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job in line. `unmet` dependencies have not completed yet, `broken` ones never will by themselves."""

    id: int
    project: str
    queue: str
    priority: int
    submitted_at: float
    request: Request
    owner: str = ""
    max_runtime_seconds: int | None = None
    estimated_runtime_seconds: int | None = None
    deadline: float | None = None
    not_before: float | None = None
    unmet: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    predicted_seconds: float | None = None  # learned from history; never more than its limit
    checkpointable: bool = False
    preemptible: bool = True
    preemptions: int = 0  # how often it has had to give way so far
    near: tuple[str, ...] = ()  # nodes that hold its data or its checkpoint, the best first
    avoid: tuple[str, ...] = ()  # nodes on which it failed a moment ago
    promised: bool = False  # others were stopped to make room for it, and it has not started yet
    held: str = ""  # who holds it back, and perhaps why, in words; empty: nobody does
    needs_end: tuple[int, ...] = ()  # of `unmet`: those that only have to end, however
    needs_failure: tuple[int, ...] = ()  # of `unmet` and `broken`: those that have to fail
    eligible_at: float | None = None  # when the last thing came true that it had to wait for: its wait counts from then
    room: tuple[Allocation, ...] = ()  # what those held or hold that were stopped for it, while it is promised
    pinned: bool = False  # it goes to the nodes of its room, and to no others
    saved_seconds: float = 0.0  # work that earlier attempts have saved: it goes on from there
    attempts: int = 0  # how often it was placed before
    kind: str = ""  # what jobs have in common that run alike, where a strategy learns from that
    workload: str = ""  # the key of its workload, where that limits how many run
    stopped: str = ""  # why nothing of its workload, or of its project, starts now, as a sentence; empty: it may
    stopped_by: ReasonCode = ReasonCode.WORKLOAD
    revision: int = 0  # which of its descriptions it is planned by: one that was changed meanwhile is not placed

    @property
    def waits_since(self) -> float:
        """Since when it could have started: to wait for others, or for a time, is not to stand in line."""
        known = self.not_before if self.eligible_at is None else self.eligible_at
        return self.submitted_at if known is None or known < self.submitted_at else known


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that holds an open placement, whether its command has started yet or not."""

    id: int
    project: str
    queue: str
    priority: int
    shares: tuple[Allocation, ...]
    started_at: float | None = None
    expected_end: float | None = None  # by its limit: it is stopped then
    owner: str = ""
    request: Request | None = None
    predicted_end: float | None = None  # by its history: an opinion, nothing is done about it
    checkpointable: bool = False
    preemptible: bool = True
    preemptions: int = 0
    checkpoint_at: float | None = None
    leaving: bool = False  # it was told to stop and will soon be gone
    leaves_to: JobState = JobState.PENDING  # where it stands then: in line again, or cancelled, or paused
    suspended_since: float | None = None  # it stands still; `expected_end` says what is left of its limit from now on
    leaving_for: int | None = None  # the waiting job that it gives way to, if it does
    saved_seconds: float = 0.0  # work that was saved before this attempt
    protected: bool = False  # it gives way to nobody but those whose nominal quota it has borrowed
    placed_at: float | None = None  # since when it holds its places, where that is not since its start
    kind: str = ""  # as of a waiting job
    gone_by: float | None = None  # when it is killed at the latest, if it was told to stop and that is known
    workload: str = ""  # as of a waiting job

    @property
    def holds_since(self) -> float | None:
        """Since when it has been paid for; None: it is being placed."""
        return self.started_at if self.placed_at is None else self.placed_at


@dataclass(frozen=True, slots=True)
class MoveRoom:
    """What is kept for a running job at the place to which it moves, until it has stopped and starts there."""

    job_id: int
    shares: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Nodes kept for a project and all below it from `start` to `end`; without a project for nobody: maintenance."""

    name: str
    nodes: tuple[str, ...]
    start: float
    end: float
    project: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetView:
    """How much a project and all below it may spend in each of its periods, in millionths of its unit. `spent` is what has ended since `spent_since`, less what was given back."""

    id: int
    project: str
    unit: str  # money or gpu_hours
    amount: int
    period: str  # day, week, month or once
    zone: tzinfo
    hard: bool = True
    since: float | None = None  # of a period that is there once
    until: float | None = None
    spent: int = 0
    spent_since: float = 0.0
    currency: str = ""


@dataclass(frozen=True, slots=True)
class UsageView:
    """What a user of a project has used: GPU-seconds and what counts as such, decayed to the snapshot's moment."""

    project: str
    owner: str
    used: float


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has ended since the last plan, and all the work that it took; `given_up`: somebody ended it."""

    job: WaitingJob
    work_seconds: float
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class ShadowJob:
    """A job that has started in the shadow schedule, or only here: there it still waits, and `started_at` is None."""

    job: WaitingJob
    started_at: float | None = None
    shares: tuple[Allocation, ...] = ()  # on the shadow's own nodes
    work_seconds: float | None = None  # all that it took, once it has ended here
    late_seconds: float = 0.0  # for so long the shadow had to wait for it
    run: RunningJob | None = field(default=None, compare=False)  # as it runs in the shadow, where that was worked out


@dataclass(frozen=True, slots=True)
class Shadow:
    """The schedule that plain backfilling would have made of the same jobs, as far as it was played.

    `clock` is how far that is. `nodes` says which machine stands for a node of the shadow, where that is another of the same kind. `broken` counts the promises not kept, by why.
    """

    clock: float
    jobs: Mapping[int, ShadowJob] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    longest_wait: float = 0.0
    broken: Mapping[str, int] = field(default_factory=dict)
    seen: object = field(default=None, compare=False)  # what it was played with last: planned anew once that changes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a plan depends on, beside the clock: with each queue and project that a job names, ancestors too."""

    waiting: tuple[WaitingJob, ...] = ()
    running: tuple[RunningJob, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    queues: tuple[QueueView, ...] = ()
    projects: tuple[ProjectView, ...] = ()
    taken_at: float = 0
    rules: Rules = field(default_factory=Rules)
    reservations: tuple[Reservation, ...] = ()
    usage: tuple[UsageView, ...] = ()
    recent_preemptions: int = 0  # in the last hour
    ended: tuple[EndedJob, ...] = ()  # since the last plan; only a policy that keeps a floor asks for them
    shadow: Shadow | None = None  # of the last plan, if that kept one
    longest_wait: LongestWait = field(
        default_factory=LongestWait
    )  # as the last plan left it, where a policy learns from it
    budgets: tuple[BudgetView, ...] = ()
    prices: tuple[Price, ...] = ()  # all that hold now, held while something ran that runs now, or will hold
    workloads: tuple[WorkloadView, ...] = ()  # those that limit how many of their jobs run
    speeds: Speeds = NOTHING_LEARNED  # how fast machines are, for strategies that go by it
    kept: tuple[MoveRoom, ...] = ()  # for jobs that move and have not stopped yet: nobody else's
    silent_clusters: tuple[ClusterView, ...] = ()  # those that do not answer: their nodes are not alive


def chain_of(slug: str, projects: Mapping[str, ProjectView]) -> tuple[ProjectView, ...]:
    """The project itself, then its parent, up to the root. A parent that was seen before ends the chain."""
    chain: dict[str, ProjectView] = {}
    following: str | None = slug
    while following is not None and following not in chain:
        project = chain[following] = projects[following]
        following = project.parent
    return tuple(chain.values())
