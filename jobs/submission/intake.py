"""What submissions are checked against, read once for all jobs of a call, under the locks that they compete for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.utils import timezone

from jobs.models import CodeSnapshot, Job, Queue, Workload
from jobs.planning import snapshot
from jobs.planning.pool_scaling import with_nodes_to_be_had
from jobs.planning.queue_limits import limits_of
from jobs.submission import code, inputs, job_secrets, linking, workloads
from jobs.submission.budgets import HardBudgets
from jobs.submission.inputs import Source
from jobs.submission.job_spec import JobSpec
from jobs.submission.needs import Resolved
from jobs.submission.workloads import Key
from quotas.access import Role, project_roles
from quotas.costs.prices import ANY_PRICE
from quotas.models import Project
from quotas.secrets.nearest import Nearest
from scheduling.lifecycle import JobState
from scheduling.sharing.associations import Associations
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.queue_limits import QueueLimits
from scheduling.snapshot import NodeView, ProjectView, chain_of
from workers.models import Cluster

NAMED = 10
"""So many projects are named to who may have meant one of them."""


@dataclass(frozen=True)
class Intake:
    """What the specs of one call are checked against, read once however many they are."""

    projects: Mapping[str, Project]
    roles: Mapping[int, str]
    queues: Mapping[str, Queue]
    queue_limits: Mapping[str, QueueLimits]
    links: Resolved
    nodes: Sequence[NodeView]
    tree: Mapping[str, ProjectView]
    associations: Associations
    owner: str
    owner_id: int
    waiting: Mapping[str, int]
    workloads: Mapping[Key, Workload]
    snapshots: Mapping[int, CodeSnapshot]
    secrets: Nearest
    sources: Mapping[int, Source]
    now: datetime

    def levels(self, project: str) -> tuple[ProjectView, ...]:
        """The project and all above it, and what the owner may hold in each."""
        return (*chain_of(project, self.tree), *self.associations.between(project, "", self.owner))

    @cached_property
    def cohorts(self) -> Cohorts | None:
        return Cohorts.of(tuple(self.tree.values()))

    @cached_property
    def budgets(self) -> HardBudgets:
        return HardBudgets.read(self.nodes, self.now.timestamp())

    @cached_property
    def clusters(self) -> Sequence[Cluster]:
        """Asked for only where a job may run in one."""
        return list(Cluster.objects.order_by("name"))

    @cached_property
    def nodes_with_pools(self) -> Sequence[NodeView]:
        """With those that pools may still get: who needs one of them waits for it."""
        return with_nodes_to_be_had(self.nodes)

    @cached_property
    def open_projects(self) -> str:
        """Where the owner may submit to, in words, for who named no such project."""
        may = [pk for pk, role in self.roles.items() if role != Role.VIEWER]
        slugs = Project.objects.filter(pk__in=may, archived=False).order_by("slug").values_list("slug", flat=True)
        some = list(slugs[: NAMED + 1])
        return f"{', '.join(some[:NAMED])}{' and others' if len(some) > NAMED else ''}" if some else "none"


def read_intake(specs: Sequence[JobSpec], owner: User, *, locked: bool = True) -> Intake:
    # With whether anything has a price, so that who has none asks no question more.
    named: QuerySet[Any] = Project.objects.filter(slug__in={spec.project for spec in specs}).annotate(priced=ANY_PRICE)
    projects = {project.slug: project for project in (_lock_projects(named, specs) if locked else named)}
    roles = project_roles(owner)
    sources = inputs.find(specs, roles)
    authors = [spec.author for spec in inputs.with_needs(specs, sources)]
    own = [project for project in projects.values() if project.pk in roles]
    tree = {view.slug: view for view in snapshot.projects()}
    associations = Associations(tree, ())
    if locked:
        _lock_owner(owner, projects, associations)
    queues = _lock_queues({spec.queue for spec in specs}, locked=locked)
    return Intake(
        projects=projects,
        roles=roles,
        queues={queue.name: queue for queue in queues},
        queue_limits=limits_of(queues),
        links=linking.resolve(authors, projects=own, visible=roles, locked=locked),
        nodes=snapshot.nodes(),
        tree=tree,
        associations=associations,
        owner=owner.get_username(),
        owner_id=owner.pk,
        waiting=_waiting_counts(tree) + _own_waiting(tree, owner),
        workloads=workloads.find(projects, specs, locked=locked),
        snapshots=code.find(specs, locked=locked),
        secrets=job_secrets.find(specs),
        sources=sources,
        now=timezone.now(),
    )


def _lock_projects(named: QuerySet[Any], specs: Sequence[JobSpec]) -> list[Any]:
    """Submissions with a key, or under a limit of waiting jobs, go one after another in a project."""
    if any(spec.submission_key for spec in specs) or named.filter(quota__waiting_jobs__isnull=False).exists():
        return list(named.order_by("pk").select_for_update(no_key=True))
    return list(named)


def _lock_owner(owner: User, projects: Iterable[str], associations: Associations) -> None:
    """Submissions of one user go one after another where his waiting jobs are limited."""
    levels = [one for slug in projects for one in associations.between(slug, "", owner.get_username())]
    if any(one.limits is not None and one.limits.waiting_jobs is not None for one in levels):
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)


def _lock_queues(names: set[str], *, locked: bool) -> list[Queue]:
    """Submissions go one after another in a queue that limits a user's waiting jobs."""
    rows = Queue.objects.filter(name__in=names).order_by("pk")
    if locked and rows.filter(max_waiting_per_user__isnull=False).exists():
        rows = rows.select_for_update(no_key=True)
    return list(rows)


def _own_waiting(tree: Mapping[str, ProjectView], owner: User) -> Counter[str]:
    """The owner's waiting jobs at each level that limits those of a user."""
    counts: Counter[str] = Counter()
    levels = Associations(tree, ())
    if not levels:
        return counts
    rows = Job.objects.filter(state=JobState.PENDING, owner=owner).order_by().values_list("project__slug")
    for slug, count in rows.annotate(count=Count("pk")):
        counts.update({one.slug: count for one in levels.between(slug, "", owner.get_username())})
    return counts


def _waiting_counts(tree: Mapping[str, ProjectView]) -> Counter[str]:
    """Waiting jobs of each project and everything below it; counted only where some quota limits them."""
    counts: Counter[str] = Counter()
    if not any(view.limits and view.limits.waiting_jobs is not None for view in tree.values()):
        return counts
    rows = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    for slug, count in rows.annotate(count=Count("pk")):
        counts.update({project.slug: count for project in chain_of(slug, tree)})
    return counts
