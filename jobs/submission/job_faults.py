"""What is wrong with a job that somebody wants to submit: names that nobody knows, what he may not, what it can never have."""

from collections.abc import Sequence
from dataclasses import replace

from jobs.planning import memory_defaults
from jobs.state import begin
from jobs.submission import code, environments, inputs, job_secrets, queue_faults
from jobs.submission.executors import concerns_clusters, executor_faults
from jobs.submission.intake import Intake
from jobs.submission.job_spec import JobSpec
from quotas.access import Role
from quotas.providers.chosen import provider as quota_provider
from scheduling import priorities
from scheduling.errors import FieldError, ForbiddenError, InvalidError
from scheduling.sharing import admission
from scheduling.sharing.ahead.reasons import ahead_faults
from scheduling.sharing.cohorts import Cohorts
from scheduling.snapshot import NodeView, ProjectView, chain_of


def spec_faults(spec: JobSpec, intake: Intake) -> list[FieldError]:
    """Everything that is wrong with the job, but for what it depends on and the workload that it names."""
    faults = [*_project_faults(spec, intake), *_queue_faults(spec, intake), *_urgency_faults(spec, intake)]
    of_executor = list(executor_faults(spec, intake.clusters)) if concerns_clusters(spec) else []
    faults += of_executor
    faults += environments.faults(spec, intake.snapshots)
    if any(fault.code == "unknown" for fault in of_executor):  # whether anybody has room for it nobody can say
        return faults
    if spec.project in intake.projects:
        project_id = intake.projects[spec.project].pk
        faults += code.faults(spec, intake.snapshots, project_id)
        faults += job_secrets.faults(spec, intake.secrets, project_id, intake.owner_id)
        faults += inputs.faults(spec, intake.sources)
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
    return [*faults, *begin.faults(spec.begin_at, spec.deadline, intake.now)]
