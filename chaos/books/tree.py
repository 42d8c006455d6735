"""The projects of a storm: a cohort whose members lend each other quota, prices, and budgets; who of its jobs belongs to whom."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from chaos.workload import PlannedJob

HARD = "blue"
"""The member that has a hard budget."""
PRICES = {"gpu_model": Decimal("2.50"), "cpu": Decimal("0.04")}
HOUR = 3_600
RUN_LIMIT_SECONDS = 900
"""Each job's limit: a hard budget pays for all of it before one starts. None comes near it."""
HARD_GPUS = 2
PAID_A_JOB = Decimal("0.006")
"""More than a job of the storm costs, tries and all: the budget gets scarce, and never runs out."""


@dataclass(frozen=True, slots=True)
class Member:
    """A project below the parent: what it has, what it may borrow, what it lends; None: nothing, and all of it."""

    slug: str
    gpus: int
    cpus: int
    borrows: tuple[int, int] | None = None
    lends: tuple[int, int] | None = None

    @property
    def most(self) -> tuple[int, int]:
        """GPUs and CPUs."""
        gpus, cpus = self.borrows or (0, 0)
        return self.gpus + gpus, self.cpus + cpus

    @property
    def kept(self) -> tuple[int, int]:
        """What it does not lend, used or not."""
        if self.lends is None:
            return 0, 0
        return max(self.gpus - self.lends[0], 0), max(self.cpus - self.lends[1], 0)


def members(gpus: int, cpus: int) -> tuple[Member, ...]:
    """Of a parent with so many: one that may borrow all the rest, one that lends little and has to pay, one that borrows nothing."""
    blue, green = (gpus * 2 // 7, cpus * 2 // 7), (gpus * 2 // 7, cpus * 2 // 7)
    red = (gpus - blue[0] - green[0], cpus - blue[1] - green[1])
    return (
        Member("red", *red, borrows=(gpus - red[0], cpus - red[1])),
        Member(HARD, *blue, borrows=(2, 4), lends=(1, 2)),
        Member("green", *green),
    )


def spread(plans: Sequence[PlannedJob], those: Sequence[Member], seed: int) -> list[PlannedJob]:
    """Each job to a member that may ever run it. One that keeps for itself what it does not lend keeps the others from that much."""
    draw = random.Random(f"projects {seed}")
    return [replace(plan, project=draw.choice(_able(plan, those)), limit=RUN_LIMIT_SECONDS) for plan in plans]


def _able(plan: PlannedJob, those: Sequence[Member]) -> list[str]:
    asks = (plan.gpus * plan.nodes, plan.cpus * plan.nodes)
    able = [one for one in those if asks[0] <= one.most[0] and asks[1] <= one.most[1]]
    return [one.slug for one in able if one.slug != HARD or asks[0] <= HARD_GPUS] or [those[0].slug]


def hard_amount(jobs: int) -> Decimal:
    """Enough for a few at once beside what all of them cost in the end."""
    a_gpu = PRICES["gpu_model"] * RUN_LIMIT_SECONDS / HOUR
    return (a_gpu * (HARD_GPUS + 1) + PAID_A_JOB * jobs).quantize(Decimal("0.01"))
