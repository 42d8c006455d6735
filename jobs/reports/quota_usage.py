"""What a project holds, what it may hold, and what is left: derived from open placements, counted nowhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, F, Sum

from jobs.models import Job
from jobs.planning import job_rows, snapshot
from quotas.models import Project
from scheduling.lifecycle import JobState
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.quotas import NOTHING_USED, Usage, ceilings, usage_by_project
from scheduling.snapshot import Limits, ProjectView, chain_of

LIMITS = ("gpus", "cpus", "memory_mb", "running_jobs", "waiting_jobs")
Amounts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """One project's amounts, those of its descendants included; None is no limit.

    `available` is what the tightest enforced quota leaves, its own with what it may borrow, or that of a project above,
    and what its cohort has. `borrowed` is held beyond its own quota; `lent` it could not have before others gave it back.
    """

    project: str
    enforced: bool
    limits: dict[str, int | None]
    usage: Amounts
    available: dict[str, int | None]
    borrowing: dict[str, int | None]
    lending: dict[str, int | None]
    borrowed: Amounts
    lent: Amounts


def tree_of_projects() -> dict[str, ProjectView]:
    return {view.slug: view for view in snapshot.projects()}


def account_of(project: Project) -> Account:
    tree = tree_of_projects()
    return accounts_in(tree, [project.slug])[project.slug]


def accounts_in(tree: dict[str, ProjectView], slugs: Iterable[str]) -> dict[str, Account]:
    """The accounts of these projects, in as many statements as that of one."""
    held = usage_by_project(job_rows.running(), tree)
    usage = _amounts(tree, held)
    cohorts = Cohorts(tree.values())
    return {slug: _account(tree, slug, held, usage, cohorts) for slug in slugs}


def _account(
    tree: dict[str, ProjectView], slug: str, held: Mapping[str, Usage], usage: dict[str, Amounts], cohorts: Cohorts
) -> Account:
    limits, chain = tree[slug].limits or Limits(), chain_of(slug, tree)
    loans = {name: cohorts.loans(slug, name, held) for name in RESOURCES}
    together = {name: cohorts.headroom(slug, name, held) for name in RESOURCES}
    return Account(
        project=slug,
        enforced=limits.enforced,
        limits={name: getattr(limits, name) for name in LIMITS},
        usage=usage[slug],
        available={name: _remaining(name, chain, usage, together.get(name)) for name in LIMITS},
        borrowing=limits.borrowing._asdict(),
        lending=limits.lending._asdict(),
        borrowed={name: one.borrowed for name, one in loans.items()},
        lent={name: one.lent for name, one in loans.items()},
    )


def asked_for(project: Project) -> Amounts:
    """What the waiting jobs of the project and all below it ask for together."""
    tree = tree_of_projects()
    slugs = [slug for slug in tree if any(one.slug == project.slug for one in chain_of(slug, tree))]
    rows = Job.objects.filter(state=JobState.PENDING, project__slug__in=slugs)
    found = rows.aggregate(**{name: Sum(F(name) * F("nodes"), default=0) for name in RESOURCES})
    return {name: int(amount) for name, amount in found.items()}


def usage_in(tree: dict[str, ProjectView]) -> dict[str, Amounts]:
    """What each project of the tree holds, what is below it included."""
    return _amounts(tree, usage_by_project(job_rows.running(), tree))


def _amounts(tree: dict[str, ProjectView], held: Mapping[str, Usage]) -> dict[str, Amounts]:
    usage, waiting = {}, _waiting(tree)
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


def _remaining(
    name: str, chain: tuple[ProjectView, ...], usage: dict[str, Amounts], together: int | None
) -> int | None:
    left = [
        max(limit - usage[project.slug][name], 0)
        for project in chain
        for limits in [ceilings(project)]
        if limits is not None and (limit := getattr(limits, name)) is not None
    ]
    return min([*left, *([] if together is None else [together])], default=None)
