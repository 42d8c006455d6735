"""How much more the quotas that refuse a job would have to allow for it to start now: tried on the plan of all that wait."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from scheduling import memory_units
from scheduling.forecast.rollout import carried_out
from scheduling.forecast.whatif import Change
from scheduling.plan_result import Plan
from scheduling.planning.plan import starts_now
from scheduling.reasons import ReasonCode, listed, number, quantity
from scheduling.sharing.quotas import NOTHING_USED, Usage, enforced, usage_by_project
from scheduling.snapshot import Limits, ProjectView, Snapshot, WaitingJob, chain_of

BESIDE_ROOM = frozenset({ReasonCode.QUOTA, ReasonCode.AHEAD})
NAMES = ("gpus", "cpus", "memory_mb", "running_jobs")
Raised = Mapping[str, Limits]


def raised_quotas(snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> tuple[Change, ...]:
    """The smallest raise of the quotas on the job's way up that would start it now, if they are what keeps it.

    Who stands before it in the same quotas gets of the raise first, so it may have to be enough for them too.
    """
    reasons = {wait.job_id: {reason.code for reason in wait.reasons} for wait in plan.waits}
    by_quota = {job_id for job_id, codes in reasons.items() if ReasonCode.QUOTA in codes and codes <= BESIDE_ROOM}
    if job.id not in by_quota:
        return ()
    waiting = {one.id: one for one in snapshot.waiting}
    before = takewhile(lambda job_id: job_id != job.id, plan.line)
    raises = _Raises(carried_out(snapshot, plan, now), job, [waiting[one] for one in before if one in by_quota])

    def is_enough(others: int) -> bool:
        changed = replace(snapshot, projects=raises.applied(raises.for_these_and(others)))
        return starts_now(changed, now, job.id)

    most = len(raises.before)
    if not is_enough(most):
        return ()
    others = bisect_left(range(most), True, key=is_enough)
    return (_told(raises.chain, raises.for_these_and(others)),)


class _Raises:
    """What the quotas in the job's chain would have to allow for it and the first so many of those before it."""

    def __init__(self, after: Snapshot, job: WaitingJob, before: Sequence[WaitingJob]) -> None:
        projects = {one.slug: one for one in after.projects}
        self.chain = [one for one in chain_of(job.project, projects) if enforced(one)]
        self._job = job
        self._all = after.projects
        self._usage = usage_by_project(after.running, projects)
        slugs = {one.slug for one in self.chain}
        self._above = {one.project: {up.slug for up in chain_of(one.project, projects)} & slugs for one in before}
        self.before = [one for one in before if self._above[one.project]]

    def for_these_and(self, others: int) -> Raised:
        """The limits that change, by project."""
        raised = {}
        for project in self.chain:
            added = NOTHING_USED.plus_job(self._job.request.total)
            for one in self.before[:others]:
                if project.slug in self._above[one.project]:
                    added = added.plus_job(one.request.total)
            limits, used = project.limits, self._usage.get(project.slug, NOTHING_USED)
            if limits is not None and (more := _beyond(limits, used, added)):
                raised[project.slug] = replace(limits, **more)  # type: ignore[arg-type]  # whole numbers, by their names
        return raised

    def applied(self, raised: Raised) -> tuple[ProjectView, ...]:
        return tuple(replace(one, limits=raised.get(one.slug, one.limits)) for one in self._all)


def _beyond(limits: Limits, used: Usage, added: Usage) -> dict[str, int]:
    """The limits that are too small for what is added, and what would be enough. What nothing is added to may be over."""
    found = {}
    for name in NAMES:
        limit, more = getattr(limits, name), _of(added, name)
        if limit is not None and more and _of(used, name) + more > limit:
            found[name] = _of(used, name) + more
    return found


def _of(usage: Usage, name: str) -> int:
    return usage.running_jobs if name == "running_jobs" else int(getattr(usage.amount, name))


def _told(chain: Sequence[ProjectView], raised: Raised) -> Change:
    """For example: "If the quota of project vision allowed 10 GPUs instead of 8, it would start now."."""
    before: dict[str, dict[str, float]] = {}
    after: dict[str, dict[str, float]] = {}
    parts: list[str] = []
    for project in chain:
        old, new = project.limits, raised.get(project.slug)
        if old is None or new is None:
            continue
        names = [name for name in NAMES if getattr(old, name) != getattr(new, name)]
        before[project.slug], after[project.slug] = _as_data(old, names), _as_data(new, names)
        amounts = listed(f"{quantity(n, getattr(new, n))} instead of {number(n, getattr(old, n))}" for n in names)
        parts.append(f"{'that' if parts else 'the quota'} of project {project.slug} allowed {amounts}")
    return Change("quota", before, after, f"If {listed(parts)}, it would start now.")


def _as_data(limits: Limits, names: Sequence[str]) -> dict[str, float]:
    """In the words and units of the REST contract."""
    return {
        "memory_gb" if name == "memory_mb" else name: memory_units.gigabytes(value) if name == "memory_mb" else value
        for name in names
        for value in [getattr(limits, name)]
    }
