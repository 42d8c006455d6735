"""How many more GPUs of a model the quotas that refuse a job would have to allow for it to start now, tried as other raises are."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile

from scheduling.forecast.rollout import carried_out
from scheduling.forecast.whatif import Change
from scheduling.plan_result import Plan
from scheduling.planning.plan import starts_now
from scheduling.reasons import ReasonCode, listed, quantity
from scheduling.sharing.model_quotas import ModelQuota, ModelQuotas
from scheduling.sharing.quotas import NOTHING_USED, Usage
from scheduling.snapshot import ProjectView, Snapshot, WaitingJob

GPU_MODELS = "gpu_models"
BESIDE_ROOM = frozenset({ReasonCode.QUOTA, ReasonCode.AHEAD})
Raised = Mapping[ModelQuota, int]


def raised_model_quotas(snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> tuple[Change, ...]:
    """For each model whose quotas keep it, the smallest raise of them that would start it now, if they alone are in its way.

    Who stands before it for GPUs that count in the same quotas gets of the raise first.
    """
    told = {wait.job_id: wait.reasons for wait in plan.waits}
    reasons, projects = told.get(job.id, ()), {one.slug: one for one in snapshot.projects}
    models = ModelQuotas(projects, snapshot.nodes)
    over = models.over(job.project)
    subjects = {one.subject for one in reasons if one.code is ReasonCode.QUOTA}
    kept_by = [one for one in over if one.slug in subjects]
    if not kept_by or {one.code for one in reasons} - BESIDE_ROOM or subjects - {one.slug for one in kept_by}:
        return ()
    usage = models.usage(carried_out(snapshot, plan, now).running)
    waiting = {one.id: one for one in snapshot.waiting}
    line = takewhile(lambda job_id: job_id != job.id, plan.line)
    before = [waiting[one] for one in line if waiting[one].request.gpus and _waits_for(told.get(one, ()))]
    offers: list[Change] = []
    for model in dict.fromkeys(one.model for one in kept_by):
        levels = [one for one in over if one.model == model]
        offers += _smallest(partial(_raised, levels, usage, job, before, projects), len(before), snapshot, now, job)
    return tuple(offers)


def _waits_for(reasons: Sequence[object]) -> bool:
    return any(getattr(one, "code", None) is ReasonCode.QUOTA for one in reasons)


def _raised(
    levels: Sequence[ModelQuota],
    usage: Mapping[str, Usage],
    job: WaitingJob,
    before: Sequence[WaitingJob],
    projects: Mapping[str, ProjectView],
    others: int,
) -> Raised:
    """What each level would have to allow for the job and so many of those before it, if all that count there got GPUs of the model."""
    found = {}
    for level in levels:
        asking = [job, *(one for one in before[:others] if level.covers(one, projects))]
        used = usage.get(level.slug, NOTHING_USED).amount.gpus
        most = used + sum(one.request.total.gpus for one in asking)
        if most > level.most:
            found[level] = most
    return found


def _smallest(
    raised: Callable[[int], Raised], most: int, snapshot: Snapshot, now: float, job: WaitingJob
) -> Iterator[Change]:
    def is_enough(others: int) -> bool:
        changed = tuple(_with(one, raised(others)) for one in snapshot.projects)
        return starts_now(replace(snapshot, projects=changed), now, job.id)

    if raised(most) and is_enough(most):
        yield _told(raised(bisect_left(range(most), True, key=is_enough)))


def _with(project: ProjectView, raised: Raised) -> ProjectView:
    mine = {level.model: most for level, most in raised.items() if level.project == project.slug}
    if not mine or project.limits is None:
        return project
    models = tuple((name, mine.get(name, most)) for name, most in project.limits.gpu_models)
    return replace(project, limits=replace(project.limits, gpu_models=models))


def _told(raised: Raised) -> Change:
    """For example: "If the quota of project vision for h100 allowed 6 GPUs instead of 4, it would start now."."""
    words = listed(
        f"{level.holder.replace('The', 'the', 1)} allowed {quantity('gpus', most)} instead of {level.most}"
        for level, most in raised.items()
    )
    before = {level.project: {level.model: level.most} for level in raised}
    after = {level.project: {level.model: most} for level, most in raised.items()}
    return Change(GPU_MODELS, before, after, f"If {words}, it would start now.")
