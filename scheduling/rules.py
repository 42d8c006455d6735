"""The knobs of a plan, as values: they travel in the snapshot, so a what-if is a snapshot with other rules."""

from dataclasses import dataclass, field
from enum import StrEnum

HOUR = 3_600.0
DAY = 24 * HOUR


class Backfill(StrEnum):
    """What may start while the first job in line waits for room."""

    NONE = "none"  # nothing: strictly in order
    EASY = "easy"  # what does not delay the jobs that have a reservation, in order
    SJBF = "sjbf"  # the same, the shortest first
    CONSERVATIVE = "conservative"  # every job that waits has a reservation, nobody delays anybody before it


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each factor (0 to 1) counts in the multifactor policy."""

    age: float = 1_000.0
    fair_share: float = 1_000.0
    priority: float = 1_000.0
    size: float = 100.0
    deadline: float = 500.0


@dataclass(frozen=True, slots=True)
class PlacementWeights:
    """How much each criterion counts where nodes are scored; 0 leaves it out. Each node has from 0 (good) to 1 (bad) of each."""

    price: float = 0.5  # what the job costs there until it probably ends
    speed: float = 1.0  # how long it probably runs there
    fit: float = 0.25  # how much of the machine would be left over
    reliability: float = 1.0  # how often jobs failed there of late through no fault of theirs
    latency: float = 0.5  # whether its data is elsewhere


@dataclass(frozen=True, slots=True)
class Preemption:
    """Who may be asked to give way, and how often. Without a strategy nobody is."""

    strategies: tuple[str, ...] = ()  # of: priority, reclaim, pressure
    priority_gap: int = 20  # the new job's priority must be higher by so much
    min_runtime_seconds: float = 600.0
    max_per_job: int = 3
    max_per_hour: int = 60
    restart_cost_seconds: float = 60.0  # what a stop costs beside the work since the last checkpoint
    only_checkpointable: bool = True  # a job that cannot save its work is left alone


@dataclass(frozen=True, slots=True)
class Rules:
    """How plans are made. The defaults are those of the platform, apart from what a queue says for itself."""

    policy: str = "priority"  # of queues that name none
    backfill: Backfill = Backfill.EASY
    reserve_depth: int = 1  # jobs that get a reservation under easy and sjbf
    overdue_ahead: int = 8  # so many of those that waited longer than the bounded wait go first, the oldest
    overdue_depth: int = 1  # jobs that may get a reservation because they do, those under reserve_depth included
    conservative_depth: int = 1_000  # jobs that get one under conservative
    bounded_wait_seconds: float | None = None  # a job that waited so long gets a reservation whatever its policy
    usual_bounded_wait_seconds: float | None = None  # the same where none is stated; policies may learn an earlier one
    assumed_limit_seconds: float = DAY  # how long a job without a limit is taken to run
    placement: str = "best_fit"
    ageing_points_per_hour: float = 0.0  # what the priority policy adds to a job's priority as it waits
    age_full_seconds: float = 7 * DAY  # at this wait the age factor is 1
    half_life_seconds: float = 7 * DAY  # of usage, in fair share
    weights: Weights = field(default_factory=Weights)
    preemption: Preemption = field(default_factory=Preemption)
    floor_slack: float = 0.0  # the part of the longest wait so far by which the promises of a floor may be later
    floor_tolerance_seconds: float = 120.0  # a promise that is kept so late counts as kept: others had to stop first
    floor_moments: int = (
        16  # so many moments of a shadow are played one by one in a plan; of more the oldest are taken together
    )
    explain: bool = True  # a simulator that asks for no reasons saves the time to find them
