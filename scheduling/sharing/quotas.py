"""What a request may have of each quota by itself, now: asked by each plan."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from scheduling.reasons import Reason, listed, number, quantity
from scheduling.resources import ZERO, Resources, total
from scheduling.snapshot import NO_LOAN_LIMITS, Limits, ProjectView, RunningJob, chain_of


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project and all below it hold."""

    amount: Resources = ZERO
    running_jobs: int = 0

    def plus_job(self, amount: Resources) -> "Usage":
        return Usage(self.amount + amount, self.running_jobs + 1)


NOTHING_USED = Usage()
NOTHING_SHORT: Mapping[str, int] = {}


def usage_by_project(running: Iterable[RunningJob], projects: Mapping[str, ProjectView]) -> dict[str, Usage]:
    """What each project holds, its descendants included. A project that holds nothing is not in it."""
    jobs: dict[str, list[RunningJob]] = {}
    for job in running:
        jobs.setdefault(job.project, []).append(job)
    own = {
        slug: Usage(total(share.amount for job in those for share in job.shares), len(those))
        for slug, those in jobs.items()
    }
    return with_those_below(own, projects)


def with_those_below(own: Mapping[str, Usage], projects: Mapping[str, ProjectView]) -> dict[str, Usage]:
    """What each project and all below it hold, of what each holds itself."""
    usage: dict[str, Usage] = {}
    for slug, held in own.items():
        for project in chain_of(slug, projects):
            before = usage.get(project.slug, NOTHING_USED)
            usage[project.slug] = Usage(before.amount + held.amount, before.running_jobs + held.running_jobs)
    return usage


def quota_violation(
    project: ProjectView, usage: Mapping[str, Usage], more: Resources, *, firm: bool = False
) -> Reason | None:
    """What the quota of this one project has against so much more; `firm`: it borrows nothing."""
    short = lacking(project, usage, more, firm=firm)
    if not short:
        return None
    return Reason(project.code, in_words(project, usage, more, short, firm=firm), short, subject=project.slug)


def lacking(
    project: ProjectView, usage: Mapping[str, Usage], more: Resources, *, firm: bool = False
) -> Mapping[str, int]:
    """By how much the quota of this one project is too small for so much more; nothing where it is not."""
    limits, used = ceilings(project, firm=firm), usage.get(project.slug, NOTHING_USED)
    return NOTHING_SHORT if limits is None or _within(limits, used, more) else _beyond(limits, used, more)


def lets_in(project: ProjectView, usage: Mapping[str, Usage], more: Resources) -> bool:
    """Whether `quota_violation` would say nothing; found sooner."""
    limits = ceilings(project)
    return limits is None or _within(limits, usage.get(project.slug, NOTHING_USED), more)


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


def in_words(
    project: ProjectView, usage: Mapping[str, Usage], more: Resources, missing: Mapping[str, int], *, firm: bool
) -> str:
    """For example: "The quota of project vision allows 8 GPUs (7 in use); this job needs 2 GPUs."."""
    limits, used = ceilings(project, firm=firm) or Limits(), usage.get(project.slug, NOTHING_USED)
    allowed = listed(f"{_allowed(name, project, limits)} ({_in_use(name, used)})" for name in missing)
    needs = [quantity(name, getattr(more, name)) for name in missing if name != "running_jobs"]
    asks = f"; this job needs {listed(needs)}" if needs else ""
    stays = firm and any(may_borrow(name, project) for name in missing)
    alone = ", and borrows nothing, as it is not preemptible" if stays else ""
    return f"{project.allows} {allowed}{asks}{alone}."


def _allowed(name: str, project: ProjectView, limits: Limits) -> str:
    """For example "8 GPUs", or "12 GPUs, 4 of them borrowed,"."""
    most, loan = getattr(limits, name), may_borrow(name, project)
    own = getattr(project.limits, name)
    return f"{quantity(name, most)}, {number(name, loan)} of that borrowed," if most != own else quantity(name, most)


def may_borrow(name: str, project: ProjectView) -> int:
    """How much of it the project may borrow."""
    if project.limits is None or project.parent is None:
        return 0
    return getattr(project.limits.borrowing, name, None) or 0


def _in_use(name: str, used: Usage) -> str:
    if name == "running_jobs":
        return f"{used.running_jobs} running"
    return f"{number(name, getattr(used.amount, name))} in use"
