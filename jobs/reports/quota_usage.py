"""What a project holds, what it may hold, and what is left: derived from open placements, counted nowhere."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count

from jobs.models import Job
from jobs.planning import job_rows, snapshot
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


def tree_of_projects() -> dict[str, ProjectView]:
    return {view.slug: view for view in snapshot.projects()}


def account_of(project: Project) -> Account:
    tree = tree_of_projects()
    usage = usage_in(tree)
    limits = tree[project.slug].limits or Limits()
    return Account(
        project=project.slug,
        enforced=limits.enforced,
        limits={name: getattr(limits, name) for name in LIMITS},
        usage=usage[project.slug],
        available={name: _remaining(name, chain_of(project.slug, tree), usage) for name in LIMITS},
    )


def usage_in(tree: dict[str, ProjectView]) -> dict[str, Amounts]:
    """What each project of the tree holds, what is below it included."""
    held, waiting = usage_by_project(job_rows.running(), tree), _waiting(tree)
    usage = {}
    for slug in tree:
        one = held.get(slug, NOTHING_USED)
        amounts = (one.amount.gpus, one.amount.cpus, one.amount.memory_mb, one.running_jobs, waiting[slug])
        usage[slug] = dict(zip(LIMITS, amounts, strict=True))
    return usage


def _waiting(tree: dict[str, ProjectView]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    rows = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    for slug, count in rows.annotate(count=Count("pk")):
        for project in chain_of(slug, tree):
            counts[project.slug] += count
    return counts


def _remaining(name: str, chain: tuple[ProjectView, ...], usage: dict[str, Amounts]) -> int | None:
    left = [
        max(limit - usage[project.slug][name], 0)
        for project in chain
        for limits in [enforced(project)]
        if limits is not None and (limit := getattr(limits, name)) is not None
    ]
    return min(left, default=None)
