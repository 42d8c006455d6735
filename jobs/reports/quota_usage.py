"""What a project holds, what it may hold, and what is left: derived from open placements, counted nowhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, F, Q, Sum

from jobs.models import Job
from jobs.planning import job_rows, snapshot
from jobs.reports.pending_cost import pending_of
from quotas.models import Project
from scheduling.lifecycle import JobState
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.model_quotas import ModelQuotas
from scheduling.sharing.quotas import NOTHING_USED, Usage, ceilings, usage_by_project
from scheduling.snapshot import Limits, ProjectView, RunningJob, chain_of

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
    user_limits: dict[str, int | None]  # what each user may hold
    user_usage: Amounts  # what the one who asks holds
    max_nodes: int | None = None  # of one job
    gpu_models: Mapping[str, int] = field(default_factory=dict)
    gpu_models_usage: Mapping[str, int] = field(default_factory=dict)
    pending_cost: Decimal | None = None  # what its waiting jobs are expected to cost; None: none has a price


class Waiting(NamedTuple):
    """How many jobs wait in a project and below it, and what they are expected to cost."""

    jobs: int = 0
    cost: Decimal | None = None
    own: int = 0  # of who asks

    def plus(self, more: "Waiting") -> "Waiting":
        costs = [cost for cost in (self.cost, more.cost) if cost is not None]
        return Waiting(self.jobs + more.jobs, sum(costs, Decimal(0)) if costs else None, self.own + more.own)


def tree_of_projects() -> dict[str, ProjectView]:
    return {view.slug: view for view in snapshot.projects()}


def account_of(project: Project, user: str = "") -> Account:
    tree = tree_of_projects()
    return accounts_in(tree, [project.slug], user)[project.slug]


def accounts_in(tree: dict[str, ProjectView], slugs: Iterable[str], user: str = "") -> dict[str, Account]:
    """The accounts of these projects, in as many statements as that of one; `user` is who asks."""
    running = job_rows.running()
    held, waiting = usage_by_project(running, tree), _waiting(tree, user)
    own = usage_by_project([job for job in running if user and job.owner == user], tree)
    own_waiting = defaultdict(Waiting, {slug: Waiting(one.own) for slug, one in waiting.items()})
    usage, of_user = _amounts(tree, held, waiting), _amounts(tree, own, own_waiting)
    cohorts = Cohorts(tree.values())
    return {
        slug: replace(
            _account(tree, slug, held, usage, cohorts, waiting[slug].cost),
            user_usage=of_user[slug],
            gpu_models_usage=_by_model(tree[slug], running, tree),
        )
        for slug in slugs
    }


def _by_model(project: ProjectView, running: Sequence[RunningJob], tree: Mapping[str, ProjectView]) -> Amounts:
    """What is held of each model that the quota names, enforced or only observed."""
    if project.limits is None or not project.limits.gpu_models:
        return {}
    seen = replace(project, limits=replace(project.limits, enforced=True))
    quotas = ModelQuotas({**tree, project.slug: seen}, snapshot.nodes())
    own = [one for one in quotas.over(project.slug) if one.project == project.slug]
    held = quotas.usage(running)
    return {one.model: held.get(one.slug, NOTHING_USED).amount.gpus for one in own}


def _account(
    tree: dict[str, ProjectView],
    slug: str,
    held: Mapping[str, Usage],
    usage: dict[str, Amounts],
    cohorts: Cohorts,
    pending_cost: Decimal | None,
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
        user_limits={name: getattr(limits.each_user, name, None) for name in LIMITS},
        user_usage=dict.fromkeys(LIMITS, 0),
        max_nodes=limits.max_nodes,
        gpu_models=dict(limits.gpu_models),
        pending_cost=pending_cost,
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
    return _amounts(tree, usage_by_project(job_rows.running(), tree), _waiting(tree))


def _amounts(
    tree: dict[str, ProjectView], held: Mapping[str, Usage], waiting: Mapping[str, Waiting]
) -> dict[str, Amounts]:
    usage = {}
    for slug in tree:
        one = held.get(slug, NOTHING_USED)
        amounts = (one.amount.gpus, one.amount.cpus, one.amount.memory_mb, one.running_jobs, waiting[slug].jobs)
        usage[slug] = dict(zip(LIMITS, amounts, strict=True))
    return usage


def _waiting(tree: dict[str, ProjectView], user: str = "") -> Mapping[str, Waiting]:
    sums: defaultdict[str, Waiting] = defaultdict(Waiting)
    jobs = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    own = Count("pk", filter=Q(owner__username=user))
    for slug, *found in jobs.annotate(count=Count("pk"), cost=Sum("estimated_cost", filter=pending_of()), own=own):
        for project in chain_of(slug, tree):
            sums[project.slug] = sums[project.slug].plus(Waiting(*found))
    return sums


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
