"""What a project holds, what it may hold, and what is left: derived from open placements, counted nowhere."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db.models import Count, F, Q, Sum, Value

from jobs.models import Job
from jobs.models.queries import rows
from jobs.planning import job_rows, snapshot
from jobs.planning.policy_settings import rules
from jobs.reports.pending_cost import pending_of
from quotas.clock import database_now
from scheduling.lifecycle import JobState
from scheduling.resources import Resources
from scheduling.sharing.ahead.meter import NAME as AHEAD
from scheduling.sharing.ahead.meter import ahead_by_project, in_seconds, is_limited
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.ledger import Cells, Ledger
from scheduling.sharing.model_quotas import ModelQuotas
from scheduling.sharing.quotas import NOTHING_USED, Usage, ceilings, with_those_below
from scheduling.snapshot import Limits, ProjectView, chain_of

# As the planner adds them up, see `usage_by_project`; it has the jobs in hand, and who asks for the sums alone has not.
# By the index of open attempts, however many are over: only for what is open by mistake the attempt itself is looked up.
HELD = """
    SELECT project.slug, job.owner_id = %s AS own, sum(held.cpus), sum(held.memory_mb), sum(held.gpus), count(DISTINCT job.id)
    FROM (
        SELECT coalesce(open.job_id, (SELECT job_id FROM jobs_attempt WHERE id = placement.attempt_id)) AS job_id,
               placement.cpus, placement.memory_mb, cardinality(placement.gpu_indices) AS gpus
        FROM jobs_placement AS placement
        LEFT JOIN jobs_attempt AS open ON open.id = placement.attempt_id AND open.ended_at IS NULL
        WHERE placement.closed_at IS NULL
    ) AS held
    JOIN jobs_job AS job ON job.id = held.job_id JOIN quotas_project AS project ON project.id = job.project_id
    GROUP BY project.slug, own
"""
LIMITS = ("gpus", "cpus", "memory_mb", "running_jobs", "waiting_jobs", AHEAD)
Amounts = dict[str, int]
"""Without GPU time ahead where no quota limits that."""


@dataclass(frozen=True, slots=True)
class Account:
    """One project's amounts, those of its descendants included; None is no limit.

    `available` is what the tightest enforced quota leaves, its own with what it may borrow, or that of a project above,
    and what its cohort has. `borrowed` is held beyond its own quota; `lent` it could not have before others gave it back.
    """

    project: str
    enforced: bool
    limits: dict[str, int | None]
    usage: dict[str, int | None]
    available: dict[str, int | None]
    borrowing: dict[str, int | None]
    lending: dict[str, int | None]
    borrowed: Amounts
    lent: Amounts
    user_limits: dict[str, int | None]  # what each user may hold
    max_nodes: int | None = None  # of one job
    gpu_models: Mapping[str, int] = field(default_factory=dict)
    pending_cost: Decimal | None = None  # what its waiting jobs are expected to cost; None: none has a price


class Waiting(NamedTuple):
    """How many jobs wait in a project and below it, what they are expected to cost, and what they ask for together."""

    jobs: int = 0
    cost: Decimal | None = None
    gpus: int = 0
    cpus: int = 0
    memory_mb: int = 0
    own: int = 0  # of who asks

    def plus(self, more: "Waiting") -> "Waiting":
        costs = [cost for cost in (self.cost, more.cost) if cost is not None]
        amounts = (getattr(self, name) + getattr(more, name) for name in (*RESOURCES, "own"))
        return Waiting(self.jobs + more.jobs, sum(costs, Decimal(0)) if costs else None, *amounts)


@dataclass(frozen=True, slots=True)
class Standing:
    """All projects at one moment: what each holds and waits for, all below it included."""

    tree: Mapping[str, ProjectView]
    held: Ledger
    usage: Mapping[str, Amounts]
    of_user: Mapping[str, Amounts]  # what that is of who asks, if it was said who does
    waiting: Mapping[str, Waiting]
    cohorts: Cohorts


def tree_of_projects() -> dict[str, ProjectView]:
    return {view.slug: view for view in snapshot.projects()}


def standing_now(user: User | None = None) -> Standing:
    """In a fixed number of statements, whatever the number of projects."""
    tree = tree_of_projects()
    (each, own), waiting, cohorts = held_by_each(user), _waiting(tree, user), Cohorts(tree.values())
    held = Ledger.holding(Cells(cohorts.tree), each)
    usage = _amounts(tree, held, {slug: one.jobs for slug, one in waiting.items()})
    of_user = _amounts(tree, with_those_below(own, tree), {slug: one.own for slug, one in waiting.items()})
    _add_time_ahead(tree, usage, of_user, user)
    return Standing(tree, held, usage, of_user, waiting, cohorts)


def account_in(standing: Standing, slug: str) -> Account:
    limits, chain = standing.tree[slug].limits or Limits(), chain_of(slug, standing.tree)
    loans = {name: standing.cohorts.loans(slug, name, standing.held) for name in RESOURCES}
    together = {name: standing.cohorts.headroom(slug, name, standing.held) for name in RESOURCES}
    return Account(
        project=slug,
        enforced=limits.enforced,
        limits={name: getattr(limits, name) for name in LIMITS},
        usage={name: standing.usage[slug].get(name) for name in LIMITS},
        available={name: _remaining(name, chain, standing.usage, together.get(name)) for name in LIMITS},
        borrowing=limits.borrowing._asdict(),
        lending=limits.lending._asdict(),
        borrowed={name: one.borrowed for name, one in loans.items()},
        lent={name: one.lent for name, one in loans.items()},
        user_limits={name: getattr(limits.each_user, name, None) for name in LIMITS},
        max_nodes=limits.max_nodes,
        gpu_models=dict(limits.gpu_models),
        pending_cost=standing.waiting[slug].cost,
    )


def usage_by_model(tree: Mapping[str, ProjectView], slug: str) -> Amounts:
    """GPUs held of each model that the project's quota names, enforced or only observed."""
    limits = tree[slug].limits
    if limits is None or not limits.gpu_models:
        return {}
    seen = replace(tree[slug], limits=replace(limits, enforced=True))
    quotas = ModelQuotas({**tree, slug: seen}, snapshot.nodes())
    held = quotas.usage(job_rows.running())
    return {one.model: held.get(one.slug, NOTHING_USED).amount.gpus for one in quotas.over(slug) if one.project == slug}


def held_by_each(user: User | None = None) -> tuple[dict[str, Usage], dict[str, Usage]]:
    """What each project holds at this moment by open placements, without those below it; and what of that the user holds."""
    each, of_user = dict[str, Usage](), dict[str, Usage]()
    for slug, own, *amounts, jobs in rows(HELD, user and user.pk):
        held, before = Resources(*map(int, amounts)), each.get(slug, NOTHING_USED)
        each[slug] = Usage(before.amount + held, before.running_jobs + jobs)
        if own:
            of_user[slug] = Usage(held, jobs)
    return each, of_user


def _amounts(
    tree: Mapping[str, ProjectView], held: Mapping[str, Usage], waiting: Mapping[str, int]
) -> dict[str, Amounts]:
    usage = {}
    for slug in tree:
        one = held.get(slug, NOTHING_USED)
        amounts = (one.amount.gpus, one.amount.cpus, one.amount.memory_mb, one.running_jobs, waiting.get(slug, 0))
        usage[slug] = dict(zip(LIMITS, amounts, strict=False))
    return usage


def _add_time_ahead(
    tree: Mapping[str, ProjectView], usage: Mapping[str, Amounts], of_user: Mapping[str, Amounts], user: User | None
) -> None:
    """Of each project and all below it, where any quota limits it, enforced or only observed: running jobs are read for that."""
    if not any(is_limited(one.limits) for one in tree.values()):
        return
    running, now, assumed = job_rows.running(), database_now().timestamp(), rules().assumed_limit_seconds
    for accounts, jobs in (
        (usage, running),
        (of_user, [one for one in running if user and one.owner == user.get_username()]),
    ):
        ahead = ahead_by_project(jobs, tree, now, assumed)
        for slug, amounts in accounts.items():
            amounts[AHEAD] = in_seconds(ahead.get(slug, 0))


def _waiting(tree: Mapping[str, ProjectView], user: User | None = None) -> Mapping[str, Waiting]:
    sums: defaultdict[str, Waiting] = defaultdict(Waiting)
    jobs = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    asked = {f"{name}_asked": Sum(F(name) * F("nodes")) for name in RESOURCES}
    own = Count("pk", filter=Q(owner=user)) if user else Value(0)
    found = jobs.annotate(count=Count("pk"), cost=Sum("estimated_cost", filter=pending_of()), **asked, own=own)
    for slug, count, cost, *amounts in found:
        for project in chain_of(slug, tree):
            sums[project.slug] = sums[project.slug].plus(Waiting(count, cost, *map(int, amounts)))
    return sums


def _remaining(
    name: str, chain: tuple[ProjectView, ...], usage: Mapping[str, Amounts], together: int | None
) -> int | None:
    left = [
        max(limit - usage[project.slug].get(name, 0), 0)
        for project in chain
        for limits in [ceilings(project)]
        if limits is not None and (limit := getattr(limits, name)) is not None
    ]
    return min([*left, *([] if together is None else [together])], default=None)
