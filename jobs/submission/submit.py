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
from jobs.state import begin
from jobs.submission import environments, linking, pricing, queue_faults, token_caps, workloads
from jobs.submission.intake import Intake, read_intake
from jobs.submission.job_faults import spec_faults
from jobs.submission.job_spec import JobSpec
from jobs.submission.needs import Resolved
from jobs.submission.workloads import Key, WorkloadTerms
from scheduling import priorities
from scheduling.errors import FieldError, InvalidError
from scheduling.lifecycle import JobState
from scheduling.reasons import NEW
from scheduling.sharing import quotas
from scheduling.sharing.queue_limits import QueueLimits
from scheduling.snapshot import ProjectView
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
    specs = completed(specs, intake)
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
    specs = completed(specs, intake)
    known = _existing_by_key(specs, intake)
    _refuse_faults(specs, intake, _workload_faults(specs, known, intake, owner, None))
    fresh = list(_without_repeats(specs, known).values())
    _refuse_full_queue(fresh, intake, owner)
    _refuse_beyond_caps(fresh, intake, caps)
    return intake.links


def completed(specs: Sequence[JobSpec], intake: Intake) -> list[JobSpec]:
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
        for fault in (*spec_faults(spec, intake), *intake.links.faults.get(index, ()), *others.get(index, ()))
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
            data=begin.told(spec.begin_at),
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
        secrets=list(spec.secrets),
        secret_files=dict(spec.secret_files),
        snapshot=intake.snapshots[spec.snapshot] if spec.snapshot else None,
        inputs=[one.row for one in spec.inputs],
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
        begin_at=spec.begin_at,
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
