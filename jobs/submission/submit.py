"""Taking jobs in: every door calls `submit`, which takes all of what it is given, or nothing."""

import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db import transaction

from jobs.messages import publishing
from jobs.messages.after_commit import after_commit
from jobs.models import Job, JobEvent, TokenCaps, Workload
from jobs.planning import memory_defaults, run_times
from jobs.submission import code, environments, linking, pricing, queue_faults, token_caps, workloads
from jobs.submission.executors import concerns_clusters, executor_faults
from jobs.submission.intake import Intake, read_intake
from jobs.submission.job_spec import JobSpec
from jobs.submission.needs import Resolved
from jobs.submission.workloads import Key, WorkloadTerms
from quotas.access import Role
from quotas.providers.chosen import provider as quota_provider
from scheduling import priorities
from scheduling.errors import FieldError, ForbiddenError, InvalidError
from scheduling.lifecycle import JobState
from scheduling.reasons import NEW
from scheduling.sharing import admission, quotas
from scheduling.sharing.ahead.reasons import ahead_faults
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.queue_limits import QueueLimits
from scheduling.snapshot import NodeView, ProjectView, chain_of
from telemetry import subject, traces
from telemetry.origin import life


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was taken in, or the one that the same submission key had brought before."""

    job: Job
    created: bool


@transaction.atomic
def submit(
    *, specs: Sequence[JobSpec], owner: User, caps: TokenCaps | None = None, terms: WorkloadTerms | None = None
) -> list[Submitted]:
    """Persist all `specs` as waiting jobs and ask for a scheduling cycle once that is committed.

    Raises InvalidError with every fault of every spec (fields of a batch are prefixed `jobs[3].`) and ForbiddenError
    when the owner may only look at a project; then nothing is written. `caps` are those of the token, if it has any;
    `terms` those of the workload that the call makes.
    """
    began, (span, above) = time.time(), traces.begin(str(subject.current().get("traceparent", "")))
    intake = read_intake(specs, owner)
    specs = _completed(specs, intake)
    known = _existing_by_key(specs, intake)
    _refuse_faults(specs, intake, _workload_faults(specs, known, intake, owner, terms))
    fresh = _without_repeats(specs, known)
    _refuse_full_queue(list(fresh.values()), intake, owner)
    _refuse_beyond_caps(list(fresh.values()), intake, caps and token_caps.locked(caps))
    groups = workloads.complete(intake.workloads, intake.projects, list(fresh.values()), terms, owner)
    created = list(_persist(fresh, intake, owner, groups, span).values())
    if caps:
        token_caps.note(caps, created, list(fresh.values()), intake.nodes)
    after_commit(lambda: _tell(created, owner, began=began, above=above))
    publishing.request_cycle()
    return _in_order(specs, known, created)


def check(*, specs: Sequence[JobSpec], owner: User, caps: TokenCaps | None = None) -> Resolved:
    """Raise what `submit` would raise; writes nothing and waits for nobody. Answers what the jobs would depend on."""
    intake = read_intake(specs, owner, locked=False)
    specs = _completed(specs, intake)
    known = _existing_by_key(specs, intake)
    _refuse_faults(specs, intake, _workload_faults(specs, known, intake, owner, None))
    fresh = list(_without_repeats(specs, known).values())
    _refuse_full_queue(fresh, intake, owner)
    _refuse_beyond_caps(fresh, intake, caps)
    return intake.links


def _completed(specs: Sequence[JobSpec], intake: Intake) -> list[JobSpec]:
    """With what the platform and the queue add where their owner left it open."""
    executors = {name: queue.executor for name, queue in intake.queues.items()}
    return [
        environments.completed(
            with_runtime(with_memory(spec, intake.tree), intake.queue_limits), executors.get(spec.queue, "")
        )
        for spec in specs
    ]


def with_runtime(spec: JobSpec, queues: Mapping[str, QueueLimits]) -> JobSpec:
    """The spec with its queue's time limit, if it names none."""
    if spec.max_runtime_seconds is not None or spec.queue not in queues:
        return spec
    return replace(spec, max_runtime_seconds=queues[spec.queue].runtime_seconds)


def with_memory(spec: JobSpec, tree: Mapping[str, ProjectView]) -> JobSpec:
    """The spec with the platform's default, if it names no memory where a quota limits it."""
    if spec.memory_mb or not memory_defaults.is_limited(spec.project, tree):
        return spec
    return replace(spec, memory_mb=memory_defaults.default_mb(spec.cpus, spec.gpus), memory_by_default=True)


def _refuse_faults(specs: Sequence[JobSpec], intake: Intake, others: Mapping[int, Sequence[FieldError]]) -> None:
    faults = [
        replace(fault, field=f"jobs[{index}].{fault.field}") if len(specs) > 1 else fault
        for index, spec in enumerate(specs)
        for fault in (*_faults(spec, intake), *intake.links.faults.get(index, ()), *others.get(index, ()))
    ]
    if faults:
        raise InvalidError(faults)


def _workload_faults(
    specs: Sequence[JobSpec],
    known: Mapping[tuple[str, str], Job],
    intake: Intake,
    owner: User,
    terms: WorkloadTerms | None,
) -> dict[int, list[FieldError]]:
    """Of jobs that another call brought already nothing is asked."""
    return {
        index: workloads.faults(spec, intake.workloads, terms, owner)
        for index, spec in enumerate(specs)
        if spec.workload and (spec.project, spec.submission_key) not in known
    }


def _faults(spec: JobSpec, intake: Intake) -> list[FieldError]:
    faults = [*_project_faults(spec, intake), *_queue_faults(spec, intake), *_urgency_faults(spec, intake)]
    of_executor = list(executor_faults(spec, intake.clusters)) if concerns_clusters(spec) else []
    faults += of_executor
    faults += environments.faults(spec, intake.snapshots)
    if any(fault.code == "unknown" for fault in of_executor):  # whether anybody has room for it nobody can say
        return faults
    if spec.project in intake.projects:
        faults += code.faults(spec, intake.snapshots, intake.projects[spec.project].pk)
        chain = chain_of(spec.project, intake.tree)
        levels = intake.levels(spec.project)
        sizes = _size_faults(spec, levels, intake.nodes, intake.cohorts)
        if any(fault.code == "hardware" for fault in sizes):  # only then is asked what might come
            sizes = _size_faults(spec, levels, intake.nodes_with_pools, intake.cohorts)
        faults += sizes
        faults += quota_provider().check_quota(spec.project, spec.request, spec.queue)
        faults += ahead_faults(spec.request, spec.max_runtime_seconds, levels)
        faults += intake.budgets.faults(spec.request, spec.max_runtime_seconds, chain)
    return faults


def _size_faults(
    spec: JobSpec, chain: Sequence[ProjectView], nodes: Sequence[NodeView], cohorts: Cohorts | None
) -> list[FieldError]:
    if spec.memory_by_default and not spec.memory_mb:
        sentence = f"A quota limits the memory of project {spec.project}: say how much the job needs on each node."
        return [FieldError("resources.memory_gb", sentence, "required")]
    faults = admission.admission_faults(
        spec.request, nodes=nodes, chain=chain, cohorts=cohorts, firm=not spec.preemptible
    )
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
    faults, project = (
        queue_faults.state_faults(spec.queue, intake.queues.get(spec.queue)),
        intake.projects.get(spec.project),
    )
    if faults or project is None:
        return faults
    chain = {one.slug for one in chain_of(spec.project, intake.tree)}
    role, runtime = intake.roles.get(project.pk, ""), spec.max_runtime_seconds
    limits = intake.queue_limits[spec.queue]
    return queue_faults.limit_faults(
        limits, spec.request, runtime=runtime, priority=spec.priority, role=role, chain=chain
    )


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


def _refuse_full_queue(specs: Sequence[JobSpec], intake: Intake, owner: User) -> None:
    """`added` jobs of a project count for its ancestors too, whatever other projects of the call add there."""
    added: Counter[str] = Counter()
    for spec in specs:
        added.update(level.slug for level in intake.levels(spec.project))
    for slug in {spec.project for spec in specs}:
        for project in intake.levels(slug):
            broken = quotas.may_wait(chain=[project], waiting=intake.waiting, more=added[project.slug])
            if broken:
                raise InvalidError([FieldError("project", broken[0].sentence, "quota")])
    queue_faults.refuse_crowd(Counter(spec.queue for spec in specs), intake.queues, owner)


def _refuse_beyond_caps(specs: Sequence[JobSpec], intake: Intake, caps: TokenCaps | None) -> None:
    faults = token_caps.faults(caps, specs, intake.nodes, intake.now) if caps and specs else []
    if faults:
        raise InvalidError(faults)


def _persist(
    specs: Mapping[int, JobSpec], intake: Intake, owner: User, groups: Mapping[Key, Workload], span: str
) -> dict[int, Job]:
    batch = uuid.uuid4().hex if len(specs) > 1 else ""
    rows = [_row(spec, intake, owner, batch) for spec in specs.values()]
    for row, spec in zip(rows, specs.values(), strict=True):
        workloads.join(row, groups.get((spec.project, spec.workload)))
        row.request_id, row.traceparent = subject.request_id(), span
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
            message=_said_at_submission(spec),
        )
        for job, spec in zip(jobs, specs.values(), strict=True)
    )
    return by_place


def _tell(jobs: Sequence[Job], owner: User, *, began: float, above: str) -> None:
    """One line a call: its jobs have the same id of a request, by which each of their later lines is found."""
    if jobs:
        about = {"job": jobs[0].pk, "jobs": len(jobs), "queue": jobs[0].queue.name}
        traces.told("submit", jobs[0].traceparent, above, (began, time.time()), about)
    if len(jobs) == 1:
        told = {"job": jobs[0].pk, **jobs[0].origin.ids}
        life.info("Job %d was submitted by %s.", jobs[0].pk, owner.get_username(), extra=told)
    elif jobs:
        words = "%d jobs, %d to %d, were submitted by %s."
        life.info(words, len(jobs), jobs[0].pk, jobs[-1].pk, owner.get_username(), extra=jobs[0].origin.ids)


def _said_at_submission(spec: JobSpec) -> str:
    added = memory_defaults.sentence(spec.memory_mb) if spec.memory_by_default else ""
    return " ".join(filter(None, (spec.reason, added)))


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
        snapshot=intake.snapshots[spec.snapshot] if spec.snapshot else None,
        labels=dict(spec.labels),
        cpus=spec.cpus,
        memory_mb=spec.memory_mb,
        gpus=spec.gpus,
        gpu_memory_mb=spec.gpu_memory_mb,
        gpu_model=spec.gpu_model,
        nodes=spec.nodes,
        node_labels=dict(spec.node_labels),
        executor="" if spec.executor_by_queue else spec.executor,
        image=spec.image,
        environment=dict(spec.environment),
        environment_labels=spec.environment_labels,
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
