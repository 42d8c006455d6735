"""What must hold of every plan by itself, worked out the slow and obvious way."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fuzz import cohorts
from fuzz.findings import expect
from scheduling import gpu_models
from scheduling.nodes.profile import FOREVER
from scheduling.planning.floor.turns import STRATEGY
from scheduling.planning.plan import Plan
from scheduling.planning.stops import borrowers
from scheduling.resources import WHOLE_GPU, Request, total
from scheduling.run_times import limit_seconds
from scheduling.sharing.ahead.meter import course_of
from scheduling.snapshot import Allocation, Limits, ProjectView, RunningJob, Snapshot, WaitingJob, chain_of


def check_plan(world: Snapshot, now: float, plan: Plan) -> None:
    waiting = {job.id: job for job in world.waiting}
    placed = [(waiting[one.job_id], one.shares) for one in plan.placements]
    _nobody_is_lost(world, plan)
    for job, shares in placed:
        _stands_where_it_may(world, now, job, shares)
    _nothing_is_held_twice(world, [shares for _, shares in placed])
    _quotas_hold(world, placed)
    cohorts.hold(world, placed)
    _queues_hold(world, placed)
    _limits_of_users_hold(world, placed)
    _workloads_hold(world, placed)
    _limits_of_models_hold(world, placed)
    _time_ahead_is_within_limits(world, now, placed)
    _only_those_are_stopped_who_may_be(world, now, plan)


def _nobody_is_lost(world: Snapshot, plan: Plan) -> None:
    answered = Counter([one.job_id for one in plan.placements] + [one.job_id for one in plan.waits])
    expect(answered == Counter(job.id for job in world.waiting), "answers", "not every waiting job has one answer")
    for wait in plan.waits:
        told = wait.reasons and all(reason.sentence for reason in wait.reasons)
        expect(told, "reasons", f"job {wait.job_id} waits without a reason")
    expect(not plan.alerts, "alerts", " ".join(plan.alerts))


def _stands_where_it_may(world: Snapshot, now: float, job: WaitingJob, shares: tuple[Allocation, ...]) -> None:
    nodes = {node.name: node for node in world.nodes}
    held = job.held or job.stopped or job.unmet or job.broken or (job.not_before or 0) > now
    expect(not held, "holds", f"job {job.id} starts though it is held, too early or waits for others")
    expect(next(one for one in world.queues if one.name == job.queue).state != "paused", "holds", f"job {job.id}")
    ranks, names = [share.rank for share in shares], {share.node for share in shares}
    whole = ranks == list(range(job.request.nodes)) and len(names) == job.request.nodes
    expect(whole, "gangs", f"job {job.id} asks for {job.request.nodes} nodes and gets {ranks} on {names}")
    expect(
        len({nodes[name].cluster for name in names}) == 1, "gangs", f"job {job.id} lies in several clusters: {names}"
    )
    for share in shares:
        node = nodes[share.node]
        run_by = job.request.executor in ("", node.executor, node.cluster)
        expect(run_by, "executors", f"job {job.id} asks for {job.request.executor} and starts on {node.name}")
        expect(node.state == "up" and node.alive, "nodes", f"job {job.id} starts on {node.name}, which takes no jobs")
        given = [gpu for gpu in node.gpus if gpu.index in share.gpu_indices]
        expect(share.amount == job.request.amount and len(given) == job.request.gpus, "amounts", f"job {job.id}")
        right = all(gpu_models.matches(job.request.gpu_model, gpu.model, gpu.memory_mb) for gpu in given)
        expect(right, "models", f"job {job.id} wants {job.request.gpu_model} and gets {given}")
    _keeps_out_of_reserved_nodes(world, now, job, names)
    _ends_before_its_nodes_go(world, now, job, names)


def _keeps_out_of_reserved_nodes(world: Snapshot, now: float, job: WaitingJob, names: set[str]) -> None:
    family = {one.slug for one in chain_of(job.project, {one.slug: one for one in world.projects})}
    end = now + limit_seconds(job, world.rules)
    for kept in world.reservations:
        if kept.project not in family and kept.start < end and kept.end > now:
            expect(not names & set(kept.nodes), "reservations", f"job {job.id} may run into {kept.name}")


def _ends_before_its_nodes_go(world: Snapshot, now: float, job: WaitingJob, names: set[str]) -> None:
    """Or is stopped and goes on elsewhere, which is worth it after a while."""
    needed = limit_seconds(job, world.rules)
    if job.checkpointable and job.max_runtime_seconds is None:
        needed = min(needed, max(world.rules.preemption.min_runtime_seconds, 1.0))
    ends = [node.leaves_at for node in world.nodes if node.name in names and node.leaves_at is not None]
    expect(
        all(now + needed <= end for end in ends), "lifetimes", f"job {job.id} needs {needed:g} s; {names} go at {ends}"
    )


def _nothing_is_held_twice(world: Snapshot, new: list[tuple[Allocation, ...]]) -> None:
    shares = [share for job in world.running for share in job.shares] + [share for shares in new for share in shares]
    for node in world.nodes:
        held = total(share.amount for share in shares if share.node == node.name)
        expect(held.fits_in(node.amount), "capacity", f"{held} on {node.name}")
    gpus = Counter((share.node, index) for share in shares for index in share.gpu_indices)
    expect(max(gpus.values(), default=1) == 1, "capacity", f"a GPU is held twice: {gpus.most_common(1)}")


Placed = list[tuple[WaitingJob, tuple[Allocation, ...]]]


Used = Mapping[str, Counter[str]]
"""By project, with all below it, and kind."""


def _used(world: Snapshot, jobs: Iterable[RunningJob | WaitingJob], what: Mapping[int, Request]) -> Used:
    projects = {one.slug: one for one in world.projects}
    used = {slug: Counter[str]() for slug in projects}
    for job in jobs:
        asked = what[job.id].total
        for project in chain_of(job.project, projects):
            used[project.slug].update(gpus=asked.gpus, cpus=asked.cpus, memory_mb=asked.memory_mb, running_jobs=1)
    return used


def _quotas_hold(world: Snapshot, placed: Placed) -> None:
    """A quota that shrank may be exceeded by those that run; nobody new may count for what is exceeded."""
    what = {job.id: job.request for job in world.running if job.request} | {job.id: job.request for job, _ in placed}
    before, new = _used(world, world.running, what), _used(world, (job for job, _ in placed), what)
    firm = _used(world, (job for job, _ in placed if not job.preemptible), what)
    for project in world.projects:
        if project.limits is not None and project.limits.enforced:
            _quota_holds(project, project.limits, before[project.slug], new[project.slug], firm[project.slug])


def _quota_holds(
    project: ProjectView, limits: Limits, before: Counter[str], new: Counter[str], firm: Counter[str]
) -> None:
    for name, more in new.items():
        limit, loan = getattr(limits, name), _loan(project, name)
        held = f"{before[name]} + {more} {name} of {limit} + {loan} in {project.slug}"
        expect(limit is None or not more or before[name] + more <= limit + loan, "quotas", held)
        alone = not loan or not firm[name] or limit is None or before[name] + firm[name] <= limit
        expect(alone, "quotas", f"{held}, {firm[name]} of them borrowed by who is not preemptible")


def _loan(project: ProjectView, name: str) -> int:
    if project.limits is None or project.parent is None:
        return 0
    return getattr(project.limits.borrowing, name, None) or 0


def _queues_hold(world: Snapshot, placed: Placed) -> None:
    for queue in world.queues:
        new = sum(job.queue == queue.name for job, _ in placed)
        runs = sum(job.queue == queue.name for job in world.running)
        fits = not new or queue.max_running is None or runs + new <= queue.max_running
        expect(fits, "queues", f"{runs} + {new} of {queue.max_running} in {queue.name}")


def _limits_of_users_hold(world: Snapshot, placed: Placed) -> None:
    projects = {one.slug: one for one in world.projects}
    jobs: list[RunningJob | WaitingJob] = [*world.running, *(job for job, _ in placed)]
    for project in world.projects:
        if project.limits is not None and project.limits.enforced and project.limits.each_user is not None:
            below = {slug for slug in projects if project in chain_of(slug, projects)}
            _holds_of_each(world, placed, [job for job in jobs if job.project in below], project.limits.each_user)
    for queue in world.queues:
        if queue.each_user is not None:
            _holds_of_each(world, placed, [job for job in jobs if job.queue == queue.name], queue.each_user)


def _workloads_hold(world: Snapshot, placed: Placed) -> None:
    """One that ran too many before, as its limit shrank, starts none."""
    for one in world.workloads:
        runs = sum(job.workload == one.key for job in world.running)
        new = sum(job.workload == one.key for job, _ in placed)
        expect(not new or runs + new <= one.max_running, "workloads", f"{runs} and {new} jobs of {one.name}")


def _together(jobs: Iterable[RunningJob | WaitingJob], what: Mapping[int, Request]) -> Counter[str]:
    used = Counter[str]()
    for job in jobs:
        asked = what[job.id].total
        used.update(gpus=asked.gpus, cpus=asked.cpus, memory_mb=asked.memory_mb, running_jobs=1)
    return used


def _holds_of_each(world: Snapshot, placed: Placed, jobs: list[RunningJob | WaitingJob], most: Limits) -> None:
    """Who holds too much already, as a limit shrank, gets no more of it."""
    what = {job.id: job.request for job in world.running if job.request} | {job.id: job.request for job, _ in placed}
    new = {job.id for job, _ in placed}
    for owner in {job.owner for job in jobs if job.owner}:
        own = [job for job in jobs if job.owner == owner]
        used, more = _together(own, what), _together([job for job in own if job.id in new], what)
        for name, amount in used.items():
            limit = getattr(most, name)
            expect(limit is None or not more[name] or amount <= limit, "users", f"{owner}: {amount} {name} of {limit}")


def _limits_of_models_hold(world: Snapshot, placed: Placed) -> None:
    projects = {one.slug: one for one in world.projects}
    gpus = {(node.name, gpu.index): gpu for node in world.nodes for gpu in node.gpus}

    def held(shares: Iterable[Allocation], name: str) -> int:
        there = [gpus.get((share.node, index)) for share in shares for index in share.gpu_indices]
        return sum(one is not None and gpu_models.matches(name, one.model, one.memory_mb) for one in there)

    for project in world.projects:
        if project.limits is None or not project.limits.enforced:
            continue
        below = {slug for slug in projects if project in chain_of(slug, projects)}
        for name, most in project.limits.gpu_models:
            before = sum(held(job.shares, name) for job in world.running if job.project in below)
            new = sum(held(shares, name) for job, shares in placed if job.project in below)
            expect(not new or before + new <= most, "models", f"{before} + {new} {name} of {most} in {project.slug}")


class Ahead(NamedTuple):
    """What a job may use up to its limit, in thousandths of a GPU-second."""

    project: str
    owner: str
    amount: float
    is_new: bool


def _time_ahead_is_within_limits(world: Snapshot, now: float, placed: Placed) -> None:
    """Of what runs and what starts; only what adds to it has to be within."""
    projects, assumed = {one.slug: one for one in world.projects}, world.rules.assumed_limit_seconds
    jobs = [Ahead(job.project, job.owner, course_of(job, now, assumed).ahead_in(0), False) for job in world.running]
    for job, _ in placed:
        if gpus := job.request.total.all_gpu_milli:
            jobs.append(Ahead(job.project, job.owner, gpus * (job.max_runtime_seconds or FOREVER), True))
    for project in world.projects:
        if project.limits is None or not project.limits.enforced:
            continue
        below = [one for one in jobs if project in chain_of(one.project, projects)]
        _is_within(project, project.limits.gpu_seconds_ahead, below)
        if project.limits.each_user is not None:
            for owner in {one.owner for one in below if one.owner}:
                own = [one for one in below if one.owner == owner]
                _is_within(project, project.limits.each_user.gpu_seconds_ahead, own)


def _is_within(project: ProjectView, most: int | None, jobs: list[Ahead]) -> None:
    together = sum(one.amount for one in jobs)
    fits = most is None or together <= most * WHOLE_GPU or not any(one.is_new for one in jobs)
    expect(fits, "time ahead", f"{together} of {most} GPU-seconds in {project.slug}")


def _only_those_are_stopped_who_may_be(world: Snapshot, now: float, plan: Plan) -> None:
    knobs, running = world.rules.preemption, {job.id: job for job in world.running}
    waiting, line = {job.id: job for job in world.waiting}, set(plan.line)
    stopped = Counter(one.job_id for one in plan.preemptions)
    _those_of_a_floor_are_to_be_stopped(world, plan)
    cohorts.only_borrowers_give_quota_back(world, now, plan)
    others = [one for one in plan.preemptions if one.strategy not in {STRATEGY, borrowers.STRATEGY}]
    within = len(others) <= max(0, knobs.max_per_hour - world.recent_preemptions)
    expect(within and max(stopped.values(), default=1) == 1, "caps", f"{dict(stopped)} are stopped")
    for one in others:
        job = running[one.job_id]
        may = (
            job.preemptible
            and not job.leaving
            and job.preemptions < knobs.max_per_job
            and (job.checkpointable or not knobs.only_checkpointable)
            and now - (job.started_at or now) >= knobs.min_runtime_seconds
            and one.for_job in line
            and waiting[one.for_job].priority >= job.priority
        )
        expect(may, "victims", f"job {job.id} is stopped for job {one.for_job}, and may not be")


def _those_of_a_floor_are_to_be_stopped(world: Snapshot, plan: Plan) -> None:
    """For a job whose turn has come, or to go on where theirs is; nobody who cannot go on, and nobody twice."""
    running, line = {job.id: job for job in world.running}, set(plan.line)
    for one in plan.preemptions:
        if one.strategy == STRATEGY:
            job = running[one.job_id]
            able = job.preemptible and job.checkpointable and not job.leaving
            expect(able, "victims", f"job {job.id} is stopped for the floor of {one.for_job}, and may not be")
            expect(
                one.for_job in line | {job.id}, "victims", f"job {job.id} is stopped for {one.for_job}, which starts"
            )
