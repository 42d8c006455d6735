"""What a request may have: ever (asked at submission), and now (asked by each plan)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from scheduling import gpu_models
from scheduling.errors import FieldError
from scheduling.nodes.feasibility import could_hold
from scheduling.placement.hardware import what_is_lacking
from scheduling.reasons import Reason, listed, number, quantity
from scheduling.resources import ZERO, Request, Resources, total
from scheduling.snapshot import NO_LOAN_LIMITS, Limits, NodeView, ProjectView, RunningJob, chain_of

REST_FIELDS = {
    "gpus": "resources.gpus",
    "cpus": "resources.cpus",
    "memory_mb": "resources.memory_gb",
    "gpu_memory_mb": "resources.gpu_memory_gb",
    "gpu_model": "resources.gpu_model",
    "labels": "resources.node_labels",
    "running_jobs": "project",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project and all below it hold."""

    amount: Resources = ZERO
    running_jobs: int = 0

    def plus_job(self, amount: Resources) -> "Usage":
        return Usage(self.amount + amount, self.running_jobs + 1)

    def minus_job(self, amount: Resources) -> "Usage":
        return Usage(self.amount - amount, self.running_jobs - 1)


NOTHING_USED = Usage()


def usage_by_project(running: Iterable[RunningJob], projects: Mapping[str, ProjectView]) -> dict[str, Usage]:
    """What each project holds, its descendants included. A project that holds nothing is not in it."""
    jobs: dict[str, list[RunningJob]] = {}
    for job in running:
        jobs.setdefault(job.project, []).append(job)
    usage: dict[str, Usage] = {}
    for slug, own in jobs.items():
        held = total(share.amount for job in own for share in job.shares)
        for project in chain_of(slug, projects):
            before = usage.get(project.slug, NOTHING_USED)
            usage[project.slug] = Usage(before.amount + held, before.running_jobs + len(own))
    return usage


def admission_faults(
    request: Request, *, nodes: Sequence[NodeView], chain: Sequence[ProjectView], firm: bool = False
) -> tuple[FieldError, ...]:
    """What makes the request impossible for good: no known node is big enough, or a quota in the chain is too small.

    `firm`: it may not be stopped again, so it never runs on what is borrowed.
    """
    if not request.gpus and (request.gpu_model or request.gpu_memory_mb):
        return (FieldError("resources.gpus", "Ask for at least 1 GPU, or name no GPU model and no GPU memory."),)
    if request.gpu_model and not gpu_models.named(request.gpu_model):
        return (FieldError("resources.gpu_model", "Name a GPU model, such as h100, or several with commas between."),)
    lacks = what_is_lacking(request, nodes, "node") if nodes else ()
    hardware = [FieldError(REST_FIELDS[lack.name], lack.sentence, "hardware") for lack in lacks]
    return (*(hardware or _too_few_nodes(request, nodes)), *beyond_quota(request, chain, firm=firm))


def _too_few_nodes(request: Request, nodes: Sequence[NodeView]) -> list[FieldError]:
    """A gang needs as many different nodes as it has members; where no node is known, nobody can tell."""
    if request.nodes == 1 or not nodes:
        return []
    able = sum(could_hold(request, node) for node in nodes)
    if able >= request.nodes:
        return []
    only = f"only {able} node has" if able == 1 else f"only {able} nodes have"
    message = f"Needs {request.nodes} nodes at once; {only} what each of them needs."
    return [FieldError("resources.nodes", message, "hardware")]


def quota_violations(
    request: Request, *, chain: Sequence[ProjectView], usage: Mapping[str, Usage], firm: bool = False
) -> tuple[Reason, ...]:
    """The quotas in the chain that the request would break on top of what is used, each by itself; none if it may run.

    `firm`: it may not be stopped again, so it starts on nothing that is borrowed.
    """
    more = request.total
    return tuple(
        _quota_reason(project, limits, used, more, firm=firm)
        for project in chain
        if (limits := ceilings(project, firm=firm)) is not None
        and not _within(limits, used := usage.get(project.slug, NOTHING_USED), more)
    )


def may_wait(*, chain: Sequence[ProjectView], waiting: Mapping[str, int], more: int = 1) -> tuple[Reason, ...]:
    """The quotas on waiting jobs in the chain that `more` jobs would break; `waiting` counts descendants' jobs too."""
    reasons = []
    for project in chain:
        limits = enforced(project)
        if limits is None or limits.waiting_jobs is None:
            continue
        over = waiting.get(project.slug, 0) + more - limits.waiting_jobs
        if over > 0:
            allowed = quantity("waiting_jobs", limits.waiting_jobs)
            sentence = f"{project.allows} {allowed} ({waiting.get(project.slug, 0)} now)."
            reasons.append(Reason(project.code, sentence, {"waiting_jobs": over}))
    return tuple(reasons)


def enforced(project: ProjectView) -> Limits | None:
    """The limits that hold jobs back, if the project has any."""
    return project.limits if project.limits is not None and project.limits.enforced else None


def ceilings(project: ProjectView, *, firm: bool = False) -> Limits | None:
    """The limits that hold jobs back, with all that the project may borrow; a `firm` job borrows nothing."""
    limits = enforced(project)
    if limits is None or firm or project.parent is None or limits.borrowing == NO_LOAN_LIMITS:
        return limits
    return _with_loans(limits)


@lru_cache(maxsize=10_000)
def _with_loans(limits: Limits) -> Limits:
    more = {
        name: most + loan
        for name, loan in limits.borrowing._asdict().items()
        if loan is not None and (most := getattr(limits, name)) is not None
    }
    return replace(limits, **more)


def is_within(project: ProjectView, usage: Mapping[str, Usage], more: Resources, *, firm: bool) -> bool:
    """Whether the project's own quota allows so much more."""
    limits = ceilings(project, firm=firm)
    return limits is None or _within(limits, usage.get(project.slug, NOTHING_USED), more)


def _within(limits: Limits, used: Usage, more: Resources) -> bool:
    """The common answer, found fast. Only what the job adds to counts: a CPU job may run beside too many GPUs."""
    held = used.amount
    return (
        (limits.running_jobs is None or used.running_jobs < limits.running_jobs)
        and (limits.gpus is None or not more.gpus or held.gpus + more.gpus <= limits.gpus)
        and (limits.cpus is None or not more.cpus or held.cpus + more.cpus <= limits.cpus)
        and (limits.memory_mb is None or not more.memory_mb or held.memory_mb + more.memory_mb <= limits.memory_mb)
    )


def _beyond(limits: Limits, used: Usage, more: Resources) -> dict[str, int]:
    """By how much the job would go over each limit that it would break."""
    asked = {
        "gpus": (limits.gpus, used.amount.gpus, more.gpus),
        "cpus": (limits.cpus, used.amount.cpus, more.cpus),
        "memory_mb": (limits.memory_mb, used.amount.memory_mb, more.memory_mb),
        "running_jobs": (limits.running_jobs, used.running_jobs, 1),
    }
    return {
        name: have + adds - limit
        for name, (limit, have, adds) in asked.items()
        if limit is not None and adds and have + adds > limit
    }


def _quota_reason(project: ProjectView, limits: Limits, used: Usage, more: Resources, *, firm: bool) -> Reason:
    """For example: "The quota of project vision allows 8 GPUs (7 in use); this job needs 2 GPUs."."""
    missing = _beyond(limits, used, more)
    allowed = listed(f"{_allowed(name, project, limits)} ({_in_use(name, used)})" for name in missing)
    needs = [quantity(name, getattr(more, name)) for name in missing if name != "running_jobs"]
    asks = f"; this job needs {listed(needs)}" if needs else ""
    stays = firm and any(_borrowed(name, project) for name in missing)
    alone = ", and borrows nothing, as it is not preemptible" if stays else ""
    sentence = f"{project.allows} {allowed}{asks}{alone}."
    return Reason(project.code, sentence, missing, subject=project.slug)


def _allowed(name: str, project: ProjectView, limits: Limits) -> str:
    """For example "8 GPUs", or "12 GPUs, 4 of them borrowed,"."""
    most, loan = getattr(limits, name), _borrowed(name, project)
    own = getattr(project.limits, name)
    return f"{quantity(name, most)}, {number(name, loan)} of that borrowed," if most != own else quantity(name, most)


def _borrowed(name: str, project: ProjectView) -> int:
    """How much of it the project may borrow."""
    if project.limits is None or project.parent is None:
        return 0
    return getattr(project.limits.borrowing, name, None) or 0


def _in_use(name: str, used: Usage) -> str:
    if name == "running_jobs":
        return f"{used.running_jobs} running"
    return f"{number(name, getattr(used.amount, name))} in use"


def beyond_quota(request: Request, chain: Sequence[ProjectView], *, firm: bool = False) -> list[FieldError]:
    """One error for each limit that is smaller than the request alone."""
    errors = []
    for project in chain:
        limits = ceilings(project, firm=firm)
        for name in _beyond(limits, NOTHING_USED, request.total) if limits is not None else ():
            allowed = quantity(name, getattr(limits, name))
            alone = " for a job that is not preemptible" if firm and _borrowed(name, project) else ""
            message = f"{project.allows} at most {allowed} at once{alone}."
            errors.append(FieldError(REST_FIELDS[name], message, str(project.code)))
        if limits is not None and limits.max_nodes is not None and request.nodes > limits.max_nodes:
            allowed = f"{limits.max_nodes} {'node' if limits.max_nodes == 1 else 'nodes'}"
            errors.append(FieldError("resources.nodes", f"{project.allows} a job at most {allowed}.", "quota"))
    return errors
