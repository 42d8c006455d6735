"""What a project holds, what it may hold, and what is left: derived from open placements, counted nowhere."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Sum

from jobs.models import Job
from jobs.planning import job_rows, snapshot
from jobs.reports.pending_cost import pending_of
from quotas.models import Project
from scheduling.lifecycle import JobState
from scheduling.sharing.quotas import NOTHING_USED, enforced, usage_by_project
from scheduling.snapshot import Limits, ProjectView, chain_of

LIMITS = ("gpus", "cpus", "memory_mb", "running_jobs", "waiting_jobs")
Amounts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """One project's amounts, those of its descendants included; None is no limit.

    `available` is what the tightest enforced quota leaves, its own or that of a project above.
    """

    project: str
    enforced: bool
    limits: dict[str, int | None]
    usage: Amounts
    available: dict[str, int | None]
    pending_cost: Decimal | None = None  # what its waiting jobs are expected to cost; None: none has a price


class Waiting(NamedTuple):
    """How many jobs wait in a project and below it, and what they are expected to cost."""

    jobs: int = 0
    cost: Decimal | None = None

    def plus(self, more: "Waiting") -> "Waiting":
        costs = [cost for cost in (self.cost, more.cost) if cost is not None]
        return Waiting(self.jobs + more.jobs, sum(costs, Decimal(0)) if costs else None)


def tree_of_projects() -> dict[str, ProjectView]:
    return {view.slug: view for view in snapshot.projects()}


def account_of(project: Project) -> Account:
    tree = tree_of_projects()
    waiting = _waiting(tree)
    usage = usage_in(tree, waiting)
    limits = tree[project.slug].limits or Limits()
    return Account(
        project=project.slug,
        enforced=limits.enforced,
        limits={name: getattr(limits, name) for name in LIMITS},
        usage=usage[project.slug],
        available={name: _remaining(name, chain_of(project.slug, tree), usage) for name in LIMITS},
        pending_cost=waiting[project.slug].cost,
    )


def usage_in(tree: dict[str, ProjectView], waiting: Mapping[str, Waiting] | None = None) -> dict[str, Amounts]:
    """What each project of the tree holds, what is below it included."""
    held = usage_by_project(job_rows.running(), tree)
    waiting = _waiting(tree) if waiting is None else waiting
    usage = {}
    for slug in tree:
        one = held.get(slug, NOTHING_USED)
        amounts = (one.amount.gpus, one.amount.cpus, one.amount.memory_mb, one.running_jobs, waiting[slug].jobs)
        usage[slug] = dict(zip(LIMITS, amounts, strict=True))
    return usage


def _waiting(tree: dict[str, ProjectView]) -> Mapping[str, Waiting]:
    sums: defaultdict[str, Waiting] = defaultdict(Waiting)
    jobs = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    for slug, *found in jobs.annotate(count=Count("pk"), cost=Sum("estimated_cost", filter=pending_of())):
        for project in chain_of(slug, tree):
            sums[project.slug] = sums[project.slug].plus(Waiting(*found))
    return sums


def _remaining(name: str, chain: tuple[ProjectView, ...], usage: dict[str, Amounts]) -> int | None:
    left = [
        max(limit - usage[project.slug][name], 0)
        for project in chain
        for limits in [enforced(project)]
        if limits is not None and (limit := getattr(limits, name)) is not None
    ]
    return min(left, default=None)
