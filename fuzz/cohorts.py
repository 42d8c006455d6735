"""Quotas that are borrowed: never more than a cohort has, and whoever has lent gets his own back at once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from fuzz.findings import expect
from fuzz.state import State
from scheduling.forecast.rollout import carried_out
from scheduling.plan_result import Plan
from scheduling.planning.plan import make_plan
from scheduling.planning.stops import borrowers
from scheduling.reasons import ReasonCode
from scheduling.resources import Resources, total
from scheduling.run_times import SOON
from scheduling.snapshot import (
    Allocation,
    Limits,
    LoanLimits,
    ProjectView,
    Snapshot,
    WaitingJob,
    chain_of,
)

NAMES = LoanLimits._fields
GIVEN_BACK_WITHIN = 75.0
"""The longest that anybody takes to go, and three cycles of the planner."""
LOOKED_AT = 2
"""So many of those that wait for nominal quota are looked at with each plan, the first in line first."""
Held = Mapping[str, Counter[str]]
"""By project, with all below it, and resource."""


def is_shared(world: Snapshot) -> bool:
    """Whether anybody may borrow, or keeps anything to himself."""
    nothing = LoanLimits()
    return any(
        one.limits and (one.limits.borrowing, one.limits.lending) != (nothing, nothing) for one in world.projects
    )


def held(world: Snapshot, jobs: Iterable[tuple[str, Resources]]) -> Held:
    projects = {one.slug: one for one in world.projects}
    found = {slug: Counter[str]() for slug in projects}
    for slug, amount in jobs:
        for project in chain_of(slug, projects):
            found[project.slug].update({name: getattr(amount, name) for name in NAMES})
    return found


def _running(world: Snapshot) -> list[tuple[str, Resources]]:
    return [(job.project, total(share.amount for share in job.shares)) for job in world.running]


def _limits(project: ProjectView) -> Limits:
    return project.limits if project.limits is not None and project.limits.enforced else Limits()


def hold(world: Snapshot, placed: list[tuple[WaitingJob, tuple[Allocation, ...]]]) -> None:
    """All that are below one parent stay within what they have together, as far as anybody new adds to it."""
    if not placed or not is_shared(world):
        return
    before = held(world, _running(world))
    after = held(world, [*_running(world), *((job.project, job.request.total) for job, _ in placed)])
    for parent in world.projects:
        members = [one for one in world.projects if one.parent == parent.slug]
        for name in NAMES:
            _holds_together(parent, members, name, before, after)


def _holds_together(parent: ProjectView, members: list[ProjectView], name: str, before: Held, after: Held) -> None:
    own = getattr(_limits(parent), name)
    if own is not None:
        return  # its own limit is looked at like any other
    sharing = [one for one in members if getattr(_limits(one), name) is not None]
    if not any(getattr(_limits(one).borrowing, name) for one in sharing):
        return
    pool = sum(getattr(_limits(one), name) for one in sharing)
    took, takes = (sum(_counts(one, name, of[one.slug][name]) for one in sharing) for of in (before, after))
    words = f"{took} and now {takes} {name} of {pool} below {parent.slug}"
    expect(takes <= pool or takes <= took, "cohorts", words)


def _counts(project: ProjectView, name: str, amount: int) -> int:
    """What is held, or kept from the others; what is beyond the limit, as that shrank, is nobody's."""
    limits = _limits(project)
    nominal, lends = getattr(limits, name), getattr(limits.lending, name)
    keeps = 0 if lends is None else max(0, nominal - lends)
    return min(max(amount, keeps), nominal + (getattr(limits.borrowing, name) or 0))


def _above(projects: Mapping[str, ProjectView], slug: str, of: Held) -> bool:
    """Whether the project, or one that it lies below, holds more than its own of anything."""
    return any(
        (own := getattr(_limits(one), name)) is not None and of[one.slug][name] > own
        for one in chain_of(slug, projects)
        for name in NAMES
    )


def only_borrowers_give_quota_back(world: Snapshot, now: float, plan: Plan) -> None:
    """As things are once all runs that starts now or in a moment; who goes is preemptible, its project above its own."""
    given = [one for one in plan.preemptions if one.strategy == borrowers.STRATEGY]
    if not given:
        return
    projects = {one.slug: one for one in world.projects}
    waiting, running = {job.id: job for job in world.waiting}, {job.id: job for job in world.running}
    soon = {one.job_id for one in plan.reservations if one.shares and one.start <= now + SOON}
    starts = [waiting[one] for one in sorted(soon | {one.job_id for one in plan.placements})]
    of = held(world, [*_running(world), *((job.project, job.request.total) for job in starts)])
    for one in given:
        job = running[one.job_id]
        may = (
            job.preemptible and not job.leaving and one.for_job in set(plan.line) and _above(projects, job.project, of)
        )
        expect(may, "lent", f"job {job.id} gives quota back to {one.for_job}, and has borrowed none")


class Lent:
    """Watches those who wait for nominal quota and nothing else while others could give it back; and who stops whom."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._since: dict[int, float] = {}
        self._stopped = Counter[tuple[int, int]]()
        self._awaited: set[tuple[int, int]] = set()

    def look(self, state: State, world: Snapshot, plan: Plan) -> None:
        if not is_shared(world):
            return
        self._nobody_takes_turns(plan)
        helped = {one.for_job for one in plan.preemptions}
        wait = {
            job.id: job
            for job, codes in _waits(world, plan)
            if codes == {ReasonCode.QUOTA} and job.id not in helped and not job.promised
        }
        then = carried_out(world, plan, state.now)
        _nobody_starts_in_vain(then, state.now + 1, plan)
        projects, of = {one.slug: one for one in world.projects}, held(world, _running(then))
        own = [job for job in wait.values() if any(_is_within(one, job, of) for one in chain_of(job.project, projects))]
        could = [job.id for job in own[:LOOKED_AT] if self._could_have_its_own(then, state.now, job)]
        self._since = {job_id: self._since.get(job_id, state.now) for job_id in could}
        for job_id, since in self._since.items():
            self.longest = max(self.longest, state.now - since)
            late = state.now - since > GIVEN_BACK_WITHIN
            expect(not late, "given back", f"job {job_id} waits for nominal quota since {since}")

    def _nobody_takes_turns(self, plan: Plan) -> None:
        """Who goes for a job does not start again before that one, to be stopped for it once more; nor do two each for the other."""
        started = {one.job_id for one in plan.placements}
        self._awaited = {pair for pair in self._awaited if pair[1] not in started}
        for one in plan.preemptions:
            if one.strategy == borrowers.STRATEGY:
                pair = (one.job_id, one.for_job)
                expect(pair not in self._awaited, "turns", f"{one.job_id} goes for {one.for_job} again")
                self._awaited.add(pair)
                self._stopped[pair] += 1
                twice = min(self._stopped[pair], self._stopped[one.for_job, one.job_id]) > 1
                expect(not twice, "turns", f"{one.job_id} and {one.for_job} stop each other")

    def _could_have_its_own(self, world: Snapshot, now: float, job: WaitingJob) -> bool:
        """Whether it is within nominal quota, and it is its turn once nobody holds more than his own who can go."""
        projects, of = {one.slug: one for one in world.projects}, held(world, _running(world))
        mine = {one.slug for one in chain_of(job.project, projects)}
        running, own = list(world.running), chain_of(job.project, projects)
        for one in sorted(world.running, key=lambda one: one.id):
            meeting = [project for project in chain_of(one.project, projects) if project.slug not in mine]
            branch = meeting[-1] if meeting else None
            ours = [level for level in own if branch is not None and level.parent == branch.parent]
            if not ours or branch is None or branch.parent is None or not _is_within(ours[0], job, of):
                continue
            if one.preemptible and not one.leaving and _owes(branch, ours[0], job, of):
                running.remove(one)
                of = held(world, _running(replace(world, running=tuple(running))))
        if len(running) == len(world.running):
            return False
        given = replace(world, running=tuple(running), rules=replace(world.rules, explain=False))
        return any(one.job_id == job.id for one in make_plan(given, now).placements)


def _nobody_starts_in_vain(then: Snapshot, now: float, plan: Plan) -> None:
    """What starts is not stopped by the next plan for the nominal quota of one that waited, when nothing else has changed."""
    started = {one.job_id for one in plan.placements}
    if started and then.waiting:
        again = make_plan(_told(then, plan), now)
        back = [one for one in again.preemptions if one.strategy == borrowers.STRATEGY and one.job_id in started]
        expect(not back, "in vain", f"what has just started is stopped: {[(one.job_id, one.for_job) for one in back]}")


def _told(then: Snapshot, plan: Plan) -> Snapshot:
    """With those that the plan stops on their way, and their room promised."""
    leaves = {one.job_id: one.for_job for one in plan.preemptions}
    room: dict[int, tuple[Allocation, ...]] = dict.fromkeys(leaves.values(), ())
    running = {job.id: job for job in then.running}
    for job_id, for_job in leaves.items():
        room[for_job] = (*room[for_job], *running[job_id].shares)
    return replace(
        then,
        rules=replace(then.rules, explain=False),
        running=tuple(
            replace(job, leaving=True, leaving_for=leaves[job.id]) if job.id in leaves else job for job in then.running
        ),
        waiting=tuple(
            replace(job, promised=True, room=(*job.room, *room[job.id])) if job.id in room else job
            for job in then.waiting
        ),
    )


def _waits(world: Snapshot, plan: Plan) -> Iterable[tuple[WaitingJob, set[ReasonCode]]]:
    waiting = {job.id: job for job in world.waiting}
    return [(waiting[one.job_id], {reason.code for reason in one.reasons}) for one in plan.waits]


def _is_within(project: ProjectView, job: WaitingJob, of: Held) -> bool:
    asked = {name: more for name in NAMES if (more := getattr(job.request.total, name))}
    limited = {name: own for name in asked if (own := getattr(_limits(project), name)) is not None}
    return bool(limited) and all(of[project.slug][name] + asked[name] <= own for name, own in limited.items())


def _owes(branch: ProjectView, ours: ProjectView, job: WaitingJob, of: Held) -> bool:
    return any(
        getattr(job.request.total, name)
        and getattr(_limits(ours), name) is not None
        and (own := getattr(_limits(branch), name)) is not None
        and of[branch.slug][name] > own
        for name in NAMES
    )
