"""What a request may have: ever (asked at submission), and now (asked by each plan)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scheduling.errors import FieldError
from scheduling.placement.hardware import what_is_lacking
from scheduling.reasons import Reason, ReasonCode, listed, quantity
from scheduling.resources import ZERO, Amount, Request
from scheduling.snapshot import Limits, NodeView, ProjectView, RunningJob, chain_of

REST_FIELDS = {
    "gpus": "resources.gpus",
    "cpus": "resources.cpus",
    "memory_mb": "resources.memory_gb",
    "gpu_memory_mb": "resources.gpu_memory_gb",
    "gpu_model": "resources.gpu_model",
    "running_jobs": "project",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project and all below it hold."""

    amount: Amount = ZERO
    running_jobs: int = 0

    def with_job(self, amount: Amount) -> "Usage":
        return Usage(self.amount + amount, self.running_jobs + 1)


NOTHING_USED = Usage()


def usage_by_project(running: Iterable[RunningJob], projects: Mapping[str, ProjectView]) -> dict[str, Usage]:
    """What each project holds, its descendants included. A project that holds nothing is not in it."""
    usage: dict[str, Usage] = {}
    for job in running:
        held = sum((share.amount for share in job.shares), ZERO)
        for project in chain_of(job.project, projects):
            usage[project.slug] = usage.get(project.slug, NOTHING_USED).with_job(held)
    return usage


def may_ever_run(
    request: Request, *, nodes: Sequence[NodeView], chain: Sequence[ProjectView]
) -> tuple[FieldError, ...]:
    """What makes the request impossible for good: no known node is big enough, or a quota in the chain is too small."""
    if request.nodes > 1:
        return (
            FieldError("resources.nodes", "Jobs over several nodes are not supported yet: ask for 1.", "unsupported"),
        )
    if not request.gpus and (request.gpu_model or request.gpu_memory_mb):
        return (FieldError("resources.gpus", "Ask for at least 1 GPU, or name no GPU model and no GPU memory."),)
    lacks = what_is_lacking(request, nodes, "node") if nodes else ()
    hardware = [FieldError(REST_FIELDS[lack.name], lack.sentence, "hardware") for lack in lacks]
    return (*hardware, *_beyond_quota(request, chain))


def may_run_now(request: Request, *, chain: Sequence[ProjectView], usage: Mapping[str, Usage]) -> tuple[Reason, ...]:
    """The quotas in the chain that the request would break on top of what is used; none if it may run."""
    reasons = []
    for project in chain:
        limits = enforced(project)
        if limits is None:
            continue
        used = usage.get(project.slug, NOTHING_USED)
        missing = _beyond(limits, used, request)
        if missing:
            reasons.append(_quota_reason(project.slug, limits, used, request, missing))
    return tuple(reasons)


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
            sentence = (
                f"The quota of project {project.slug} allows {allowed}; {waiting.get(project.slug, 0)} wait already."
            )
            reasons.append(Reason(ReasonCode.QUOTA, sentence, {"waiting_jobs": over}))
    return tuple(reasons)


def enforced(project: ProjectView) -> Limits | None:
    """The limits that hold jobs back, if the project has any."""
    return project.limits if project.limits is not None and project.limits.enforced else None


def _beyond(limits: Limits, used: Usage, request: Request) -> dict[str, int]:
    """By how much the request would go over each limit."""
    total = request.total
    asked = {
        "gpus": (limits.gpus, used.amount.gpus, total.gpus),
        "cpus": (limits.cpus, used.amount.cpus, total.cpus),
        "memory_mb": (limits.memory_mb, used.amount.memory_mb, total.memory_mb),
        "running_jobs": (limits.running_jobs, used.running_jobs, 1),
    }
    # A limit that is broken already holds back only what would add to it: a CPU job may run beside too many GPUs.
    return {
        name: have + more - limit
        for name, (limit, have, more) in asked.items()
        if limit is not None and more > 0 and have + more > limit
    }


def _quota_reason(slug: str, limits: Limits, used: Usage, request: Request, missing: Mapping[str, int]) -> Reason:
    uses = {
        "gpus": used.amount.gpus,
        "cpus": used.amount.cpus,
        "memory_mb": used.amount.memory_mb,
        "running_jobs": used.running_jobs,
    }
    allowed = listed(f"{quantity(name, getattr(limits, name))} ({_in_use(name, uses[name])})" for name in missing)
    needs = [quantity(name, getattr(request.total, name)) for name in missing if name != "running_jobs"]
    asks = f"; this job needs {listed(needs)}" if needs else ""
    return Reason(ReasonCode.QUOTA, f"The quota of project {slug} allows {allowed}{asks}.", missing)


def _in_use(name: str, amount: int) -> str:
    return "none in use" if amount == 0 else f"{quantity(name, amount).removesuffix(' of memory').split(' ')[0]} in use"


def _beyond_quota(request: Request, chain: Sequence[ProjectView]) -> list[FieldError]:
    """One error for each limit that is smaller than the request alone."""
    errors = []
    for project in chain:
        limits = enforced(project)
        for name in _beyond(limits, NOTHING_USED, request) if limits is not None else ():
            allowed = quantity(name, getattr(limits, name))
            message = f"The quota of project {project.slug} allows at most {allowed} at once."
            errors.append(FieldError(REST_FIELDS[name], message, "quota"))
    return errors
