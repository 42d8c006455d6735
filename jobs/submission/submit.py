"""Taking jobs in: every door calls `submit`, which takes all of what it is given, or nothing."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from jobs.messages import publishing
from jobs.models import Job, JobEvent, Queue
from jobs.planning import memory_defaults, run_times, snapshot
from jobs.submission import linking, pricing
from jobs.submission.needs import Author, Need, Resolved
from quotas.access import Role, project_roles
from quotas.costs.prices import ANY_PRICE
from quotas.models import Project
from scheduling import priorities
from scheduling.errors import FieldError, ForbiddenError, InvalidError
from scheduling.lifecycle import JobState
from scheduling.reasons import NEW
from scheduling.resources import Request, ordered_labels
from scheduling.sharing import quotas
from scheduling.snapshot import NodeView, ProjectView, chain_of

NAMED = 10
"""So many projects are named to who may have meant one of them."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What somebody wants to run, in the words of the REST contract. Memory is in MB, times in seconds."""

    name: str
    project: str
    command: tuple[str, ...]
    queue: str = "default"
    priority: int | str = 50
    working_dir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 1
    memory_mb: int = 0
    gpus: int = 0
    gpu_memory_mb: int = 0
    gpu_model: str = ""
    nodes: int = 1
    node_labels: Mapping[str, str] = field(default_factory=dict)
    max_runtime_seconds: int | None = None
    estimated_runtime_seconds: int | None = None
    stall_seconds: int | None = None
    stall_action: str = "stop"
    deadline: datetime | None = None
    checkpointable: bool = False
    preemptible: bool = True
    max_retries: int = 0
    grace_seconds: int | None = None
    depends_on: tuple[int | Need, ...] = ()
    on_dependency_failure: str = "cancel"
    submission_key: str = ""
    memory_by_default: bool = False  # its owner named none

    @property
    def request(self) -> Request:
        labels = ordered_labels(self.node_labels)
        return Request(self.cpus, self.memory_mb, self.gpus, self.gpu_memory_mb, self.gpu_model, self.nodes, labels)

    @property
    def author(self) -> Author:
        needs = tuple(one if isinstance(one, Need) else Need(one) for one in self.depends_on)
        return Author(self.project, self.name, self.submission_key, needs)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was taken in, or the one that the same submission key had brought before."""

    job: Job
    created: bool


@dataclass(frozen=True)
class Intake:
    """What the specs of one call are checked against, read once however many they are."""

    projects: Mapping[str, Project]
    roles: Mapping[int, str]
    queues: Mapping[str, Queue]
    links: Resolved
    nodes: Sequence[NodeView]
    tree: Mapping[str, ProjectView]
    waiting: Mapping[str, int]
    now: datetime

    @cached_property
    def open_projects(self) -> str:
        """Where the owner may submit to, in words, for who named no such project."""
        may = [pk for pk, role in self.roles.items() if role != Role.VIEWER]
        slugs = Project.objects.filter(pk__in=may, archived=False).order_by("slug").values_list("slug", flat=True)
        some = list(slugs[: NAMED + 1])
        return f"{', '.join(some[:NAMED])}{' and others' if len(some) > NAMED else ''}" if some else "none"


@transaction.atomic
def submit(*, specs: Sequence[JobSpec], owner: User) -> list[Submitted]:
    """Persist all `specs` as waiting jobs and ask for a scheduling cycle once that is committed.

    Raises InvalidError with every fault of every spec (fields of a batch are prefixed `jobs[3].`) and ForbiddenError
    when the owner may only look at a project; then nothing is written.
    """
    intake = _read_intake(specs, owner)
    specs = [with_memory(spec, intake.tree) for spec in specs]
    _refuse_faults(specs, intake)
    known = _existing_by_key(specs, intake)
    fresh = _without_repeats(specs, known)
    _refuse_full_queue(list(fresh.values()), intake)
    created = list(_persist(fresh, intake, owner).values())
    publishing.request_cycle()
    return _in_order(specs, known, created)


def check(*, specs: Sequence[JobSpec], owner: User) -> Resolved:
    """Raise what `submit` would raise; writes nothing and waits for nobody. Answers what the jobs would depend on."""
    intake = _read_intake(specs, owner, locked=False)
    specs = [with_memory(spec, intake.tree) for spec in specs]
    _refuse_faults(specs, intake)
    _refuse_full_queue(list(_without_repeats(specs, _existing_by_key(specs, intake)).values()), intake)
    return intake.links


def with_memory(spec: JobSpec, tree: Mapping[str, ProjectView]) -> JobSpec:
    """The spec with the platform's default, if it names no memory where a quota limits it."""
    if spec.memory_mb or not memory_defaults.is_limited(spec.project, tree):
        return spec
    return replace(spec, memory_mb=memory_defaults.default_mb(spec.cpus, spec.gpus), memory_by_default=True)


def _read_intake(specs: Sequence[JobSpec], owner: User, *, locked: bool = True) -> Intake:
    # With whether anything has a price, so that who has none asks no question more.
    named: QuerySet[Any] = Project.objects.filter(slug__in={spec.project for spec in specs}).annotate(priced=ANY_PRICE)
    found = _lock_projects(named, specs) if locked else named
    projects = {project.slug: project for project in found}
    roles = project_roles(owner)
    own = [project for project in projects.values() if project.pk in roles]
    tree = {view.slug: view for view in snapshot.projects()}
    return Intake(
        projects=projects,
        roles=roles,
        queues={queue.name: queue for queue in Queue.objects.filter(name__in={spec.queue for spec in specs})},
        links=linking.resolve([spec.author for spec in specs], projects=own, visible=roles, locked=locked),
        nodes=snapshot.nodes(),
        tree=tree,
        waiting=_waiting_counts(tree),
        now=timezone.now(),
    )


def _lock_projects(named: QuerySet[Any], specs: Sequence[JobSpec]) -> list[Any]:
    """Submissions with a key, or under a limit of waiting jobs, go one after another in a project."""
    if any(spec.submission_key for spec in specs) or named.filter(quota__waiting_jobs__isnull=False).exists():
        return list(named.order_by("pk").select_for_update(no_key=True))
    return list(named)


def _waiting_counts(tree: Mapping[str, ProjectView]) -> Mapping[str, int]:
    """Waiting jobs of each project and everything below it; counted only where some quota limits them."""
    counts: Counter[str] = Counter()
    if not any(view.limits and view.limits.waiting_jobs is not None for view in tree.values()):
        return counts
    rows = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    for slug, count in rows.annotate(count=Count("pk")):
        counts.update({project.slug: count for project in chain_of(slug, tree)})
    return counts


def _refuse_faults(specs: Sequence[JobSpec], intake: Intake) -> None:
    faults = [
        replace(fault, field=f"jobs[{index}].{fault.field}") if len(specs) > 1 else fault
        for index, spec in enumerate(specs)
        for fault in (*_faults(spec, intake), *intake.links.faults.get(index, ()))
    ]
    if faults:
        raise InvalidError(faults)


def _faults(spec: JobSpec, intake: Intake) -> list[FieldError]:
    faults = [*_project_faults(spec, intake), *_queue_faults(spec, intake), *_urgency_faults(spec, intake)]
    if spec.project in intake.projects:
        faults += _size_faults(spec, chain_of(spec.project, intake.tree), intake.nodes)
    return faults


def _size_faults(spec: JobSpec, chain: Sequence[ProjectView], nodes: Sequence[NodeView]) -> list[FieldError]:
    if spec.memory_by_default and not spec.memory_mb:
        sentence = f"A quota limits the memory of project {spec.project}: say how much the job needs on each node."
        return [FieldError("resources.memory_gb", sentence, "required")]
    faults = quotas.admission_faults(spec.request, nodes=nodes, chain=chain)
    if not spec.memory_by_default:
        return list(faults)
    why = memory_defaults.sentence(spec.memory_mb)
    return [
        replace(one, message=f"{one.message} {why}") if one.field == "resources.memory_gb" else one for one in faults
    ]


def _project_faults(spec: JobSpec, intake: Intake) -> list[FieldError]:
    project = intake.projects.get(spec.project)
    if project is None or project.pk not in intake.roles:
        words = (
            f"There is no project {spec.project!r} that you belong to. Those you may submit to: {intake.open_projects}."
        )
        return [FieldError("project", words, "unknown")]
    if intake.roles[project.pk] == Role.VIEWER:
        raise ForbiddenError(f"You may look at project {spec.project}, but not submit to it.")
    if project.archived:
        return [FieldError("project", f"Project {spec.project} is archived and takes no new jobs.", "archived")]
    return []


def _queue_faults(spec: JobSpec, intake: Intake) -> list[FieldError]:
    queue = intake.queues.get(spec.queue)
    if queue is None:
        names = ", ".join(Queue.objects.values_list("name", flat=True))
        return [FieldError("queue", f"There is no queue {spec.queue!r}. The queues are: {names}.", "unknown")]
    if queue.state == Queue.State.DRAINING:
        return [FieldError("queue", f"Queue {spec.queue} is draining and takes no new jobs.", "draining")]
    return []


def _urgency_faults(spec: JobSpec, intake: Intake) -> list[FieldError]:
    faults: list[FieldError] = []
    try:
        priorities.number_of(spec.priority)
    except InvalidError as error:
        faults += error.errors
    if spec.deadline is not None and spec.deadline <= intake.now:
        faults.append(FieldError("deadline", "Must lie in the future.", "past"))
    return faults


def _existing_by_key(specs: Sequence[JobSpec], intake: Intake) -> dict[tuple[str, str], Job]:
    keys = {spec.submission_key for spec in specs if spec.submission_key}
    if not keys:
        return {}
    rows = Job.objects.filter(project__in=[p.pk for p in intake.projects.values()], submission_key__in=keys)
    return {(job.project.slug, job.submission_key): job for job in rows.select_related("project", "queue", "owner")}


def _without_repeats(specs: Sequence[JobSpec], known: Mapping[tuple[str, str], Job]) -> dict[int, JobSpec]:
    """Those that make a new job, by their place in the call."""
    seen = set(known)
    fresh = {}
    for index, spec in enumerate(specs):
        key = (spec.project, spec.submission_key or uuid.uuid4().hex)
        if key not in seen:
            fresh[index] = spec
            seen.add(key)
    return fresh


def _refuse_full_queue(specs: Sequence[JobSpec], intake: Intake) -> None:
    """`added` jobs of a project count for its ancestors too, whatever other projects of the call add there."""
    added: Counter[str] = Counter()
    for spec in specs:
        added.update(project.slug for project in chain_of(spec.project, intake.tree))
    for slug in {spec.project for spec in specs}:
        for project in chain_of(slug, intake.tree):
            broken = quotas.may_wait(chain=[project], waiting=intake.waiting, more=added[project.slug])
            if broken:
                raise InvalidError([FieldError("project", broken[0].sentence, "quota")])


def _persist(specs: Mapping[int, JobSpec], intake: Intake, owner: User) -> dict[int, Job]:
    batch = uuid.uuid4().hex if len(specs) > 1 else ""
    rows = [_row(spec, intake, owner, batch) for spec in specs.values()]
    run_times.predict(rows)
    if any(getattr(project, "priced", False) for project in intake.projects.values()):
        pricing.estimate_all(rows, intake.nodes)
    jobs = Job.objects.bulk_create(rows, batch_size=1000)
    by_place = dict(zip(specs, jobs, strict=True))
    linking.write(by_place, intake.links)
    JobEvent.objects.bulk_create(
        JobEvent(
            job=job,
            kind="submitted",
            to_state=JobState.PENDING,
            actor=owner.get_username(),
            message=memory_defaults.sentence(spec.memory_mb) if spec.memory_by_default else "",
        )
        for job, spec in zip(jobs, specs.values(), strict=True)
    )
    return by_place


def _row(spec: JobSpec, intake: Intake, owner: User, batch: str) -> Job:
    return Job(
        name=spec.name,
        batch=batch,
        project=intake.projects[spec.project],
        queue=intake.queues[spec.queue],
        owner=owner,
        priority=priorities.number_of(spec.priority),
        command=list(spec.command),
        working_dir=spec.working_dir,
        env=dict(spec.env),
        labels=dict(spec.labels),
        cpus=spec.cpus,
        memory_mb=spec.memory_mb,
        gpus=spec.gpus,
        gpu_memory_mb=spec.gpu_memory_mb,
        gpu_model=spec.gpu_model,
        nodes=spec.nodes,
        node_labels=dict(spec.node_labels),
        max_runtime_seconds=spec.max_runtime_seconds,
        estimated_runtime_seconds=spec.estimated_runtime_seconds,
        stall_seconds=spec.stall_seconds,
        stall_action=spec.stall_action,
        deadline=spec.deadline,
        checkpointable=spec.checkpointable,
        preemptible=spec.preemptible,
        max_retries=spec.max_retries,
        on_dependency_failure=spec.on_dependency_failure,
        grace_seconds=spec.grace_seconds,
        submission_key=spec.submission_key,
        reasons=[NEW.as_data()],
        created_at=intake.now,
    )


def _in_order(
    specs: Sequence[JobSpec], known: Mapping[tuple[str, str], Job], created: Sequence[Job]
) -> list[Submitted]:
    """One answer a spec, in the order of the specs; a repeated key answers with its first job."""
    found = {key: Submitted(job, created=False) for key, job in known.items()}
    rest = iter(created)
    answers = []
    for spec in specs:
        key = (spec.project, spec.submission_key)
        if not spec.submission_key or key not in found:
            answers.append(Submitted(next(rest), created=True))
            found[key] = Submitted(answers[-1].job, created=False)
        else:
            answers.append(found[key])
    return answers
