"""Draws a world from a seed: a few machines, a tree of quotas, and a day or more of jobs and disturbances."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from fuzz.scenario import BEGIN, After, Arrival, Event, Scenario
from scheduling.executors import AGENT
from scheduling.placement import STRATEGIES
from scheduling.policies import BUILT_IN
from scheduling.resources import Request
from scheduling.rules import HOUR, Backfill, Preemption, Rules
from scheduling.sharing.admission import admission_faults
from scheduling.snapshot import (
    Gpu,
    Limits,
    LoanLimits,
    NodeView,
    ProjectView,
    QueueView,
    Reservation,
    Snapshot,
    WaitingJob,
    WorkloadView,
    chain_of,
)

KINDS = (("NVIDIA H100 80GB HBM3", 81_559), ("Tesla T4", 15_360), ("NVIDIA A100-SXM4-40GB", 40_960))
PARENTS = {"acme": None, "team": "acme", "vision": "team", "speech": "acme", "other": None}
QUEUES = ("live", "default", "batch")
OWNERS = ("ann", "bob", "cat")
POLICIES = tuple(sorted(one.name for one in BUILT_IN))
LONGEST = 2 * HOUR
"""No job's own limit is longer; who names none is taken to run so long, and may run three times as long."""


def draw(seed: int) -> Scenario:
    """The same seed gives the same world.

    Half of them are calm: nothing happens to the cluster. Half are tame: nobody is late or suspended, so that more can
    be foretold.
    """
    dice = Random(seed)
    days = dice.choice((0.5, 1.0, 1.0, 2.0))
    nodes = tuple(_node(number, dice) for number in range(dice.randint(1, 5)))
    nodes = _with_pilots(nodes, days, Random(f"{seed} pilots"))
    calm, tame = dice.random() < 0.5, dice.random() < 0.5
    empty = Snapshot(
        nodes=nodes,
        queues=_with_users(_queues(dice), Random(f"{seed} users in queues")),
        projects=_limiting_time_ahead(
            _limiting_models(
                _limiting_users(
                    _lending(tuple(_project(slug, dice) for slug in PARENTS), Random(f"{seed} lends")),
                    Random(f"{seed} users"),
                ),
                Random(f"{seed} models"),
            ),
            Random(f"{seed} ahead"),
        ),
        reservations=() if calm else tuple(_windows(nodes, days, dice)),
        rules=_rules(dice),
    )
    arrivals = tuple(_arrivals(empty, dice, days, dice.randint(40, 200), tame=tame))
    empty, arrivals = _in_clusters(empty, arrivals, Random(f"{seed} clusters"))
    empty, arrivals = _in_workloads(empty, arrivals, Random(f"{seed} workloads"))
    events = [*_job_events(arrivals, dice, tame=tame), *([] if calm else _cluster_events(empty, days, dice))]
    return Scenario(seed, empty, arrivals, tuple(sorted(events, key=lambda one: one.moment)), days)


def _node(number: int, dice: Random) -> NodeView:
    model, memory_mb = dice.choice(KINDS)
    gpus = tuple(Gpu(index, model, memory_mb) for index in range(dice.choice((0, 2, 4, 4, 8))))
    return NodeView(f"n{number}", dice.choice((4, 8, 16)), 1024 * dice.choice((8, 16, 64)), gpus)


def _with_pilots(nodes: tuple[NodeView, ...], days: float, dice: Random) -> tuple[NodeView, ...]:
    """In one world of four there are more nodes, which go at a known time."""
    if dice.random() < 3 / 4:
        return nodes
    ends = {one.name: round(BEGIN + dice.uniform(0, days) * 86_400) for one in nodes if dice.random() < 1 / 2}
    pilots = (replace(one, name=f"pilot-{one.name}", leaves_at=ends.get(one.name)) for one in nodes)
    return (*nodes, *(one for one in pilots if one.leaves_at is not None))


def _in_clusters(empty: Snapshot, arrivals: tuple[Arrival, ...], dice: Random) -> tuple[Snapshot, tuple[Arrival, ...]]:
    """In one world of four some nodes are those of clusters, and jobs ask for one place or another, or for none."""
    if dice.random() < 3 / 4:
        return empty, arrivals
    homes = {one.name: dice.choice(("", "", "k", "m")) for one in empty.nodes}
    kinds = {"": AGENT, "k": "kubernetes", "m": "slurm"}
    nodes = tuple(replace(one, cluster=homes[one.name], executor=kinds[homes[one.name]]) for one in empty.nodes)
    asked = {
        request: replace(request, executor=dice.choice(("", "", AGENT, "kubernetes", "m")))
        for request in dict.fromkeys(one.job.request for one in arrivals)
    }
    moved = []
    for one in arrivals:
        request = asked[one.job.request]
        chain = chain_of(one.job.project, {project.slug: project for project in empty.projects})
        possible = not admission_faults(request, nodes=nodes, chain=chain)
        moved.append(replace(one, job=replace(one.job, request=request)) if possible else one)
    return replace(empty, nodes=nodes), tuple(moved)


def _queues(dice: Random) -> tuple[QueueView, ...]:
    own = dice.choice(((""), ("", "", *POLICIES)))
    return tuple(
        QueueView(
            name, 10 * rank,
            max_running=dice.choice((None, None, None, dice.randint(1, 8))), policy=dice.choice(own) if own else "",
        )
        for rank, name in enumerate(reversed(QUEUES))
    )  # fmt: skip


def _project(slug: str, dice: Random) -> ProjectView:
    return ProjectView(slug, PARENTS[slug], _limits(dice), dice.choice((1.0, 1.0, 3.0)))


def _limits(dice: Random) -> Limits | None:
    if dice.random() < 0.4:
        return None
    gpus, cpus, memory, jobs = (dice.choice((None, None, dice.randint(2, 16))) for _ in range(4))
    return Limits(gpus, cpus, None if memory is None else memory * 2048, jobs, enforced=dice.random() < 0.9)


def _lending(projects: tuple[ProjectView, ...], dice: Random) -> tuple[ProjectView, ...]:
    """In a third of the worlds quotas are borrowed and lent, and there are more of them."""
    if dice.random() < 2 / 3:
        return projects
    return tuple(replace(one, limits=_shared(one.limits, dice)) for one in projects)


def _limiting_users(projects: tuple[ProjectView, ...], dice: Random) -> tuple[ProjectView, ...]:
    """In a third of the worlds some quotas limit what one user may hold."""
    if dice.random() < 2 / 3:
        return projects
    return tuple(
        replace(one, limits=replace(one.limits, each_user=_of_a_user(dice))) if one.limits else one for one in projects
    )


def _limiting_models(projects: tuple[ProjectView, ...], dice: Random) -> tuple[ProjectView, ...]:
    """In a third of the worlds some quotas limit GPUs by model."""
    if dice.random() < 2 / 3:
        return projects
    return tuple(
        replace(one, limits=replace(one.limits, gpu_models=_of_models(dice))) if one.limits else one for one in projects
    )


def _limiting_time_ahead(projects: tuple[ProjectView, ...], dice: Random) -> tuple[ProjectView, ...]:
    """In a third of the worlds some quotas limit GPU time ahead, of all together or of each user."""
    if dice.random() < 2 / 3:
        return projects
    return tuple(replace(one, limits=_with_time_ahead(one.limits, dice)) if one.limits else one for one in projects)


def _with_time_ahead(limits: Limits, dice: Random) -> Limits:
    all_of, each = (dice.choice((None, None, 36 * int(dice.uniform(50, 2_400)))) for _ in range(2))
    each_user = limits.each_user if each is None else replace(limits.each_user or Limits(), gpu_seconds_ahead=each)
    return replace(limits, gpu_seconds_ahead=all_of, each_user=each_user)


def _in_workloads(empty: Snapshot, arrivals: tuple[Arrival, ...], dice: Random) -> tuple[Snapshot, tuple[Arrival, ...]]:
    """In a third of the worlds half of the jobs are in workloads that run only so many at once."""
    if dice.random() < 2 / 3:
        return empty, arrivals
    views = tuple(WorkloadView(key, f"sweep-{key}", dice.randint(1, 4)) for key in ("1", "2", "3"))
    named = (replace(one, job=replace(one.job, workload=dice.choice(("", "", "", "1", "2", "3")))) for one in arrivals)
    return replace(empty, workloads=views), tuple(named)


def _of_models(dice: Random) -> tuple[tuple[str, int], ...]:
    return tuple((name, dice.randint(0, 8)) for name in ("h100", "t4", "a100") if dice.random() < 1 / 3)


def _with_users(queues: tuple[QueueView, ...], dice: Random) -> tuple[QueueView, ...]:
    """In a quarter of the worlds some queues do."""
    if dice.random() < 3 / 4:
        return queues
    return tuple(replace(one, each_user=_of_a_user(dice)) if dice.random() < 1 / 2 else one for one in queues)


def _of_a_user(dice: Random) -> Limits | None:
    gpus, cpus, jobs = (dice.choice((None, dice.randint(1, 12))) for _ in range(3))
    return dice.choice((None, Limits(gpus=gpus, cpus=cpus, running_jobs=jobs)))


def _shared(limits: Limits | None, dice: Random) -> Limits | None:
    if limits is None:
        return None
    own = limits if limits.gpus is not None else replace(limits, gpus=dice.choice((None, *range(2, 9))))
    return replace(own, borrowing=_loans(dice, 16), lending=_loans(dice, 4))


def _loans(dice: Random, most: int) -> LoanLimits:
    gpus, cpus, memory = (dice.choice((None, dice.randint(0, most))) for _ in range(3))
    return LoanLimits(gpus, cpus, None if memory is None else memory * 2048)


def _rules(dice: Random) -> Rules:
    strategies = dice.choice(((), (), ("priority",), ("priority", "reclaim"), ("priority", "reclaim", "pressure")))
    return Rules(
        policy=dice.choice((*POLICIES, "floor", "floor")),
        floor_slack=dice.choice((0.0, 0.0, 0.0, 0.2)),
        backfill=dice.choice((*[Backfill.EASY] * 3, *Backfill)),
        reserve_depth=dice.choice((1, 1, 2)),
        overdue_depth=dice.choice((1, 4)),
        bounded_wait_seconds=dice.choice((None, HOUR, HOUR, 2 * HOUR)),
        assumed_limit_seconds=LONGEST,
        placement=dice.choice(sorted(STRATEGIES)),
        ageing_points_per_hour=dice.choice((0.0, 0.0, 5.0)),
        preemption=Preemption(
            strategies,
            min_runtime_seconds=dice.choice((0.0, 600.0)),
            max_per_job=dice.choice((1, 3)),
            only_checkpointable=dice.random() < 0.5,
        ),
    )


def _windows(nodes: tuple[NodeView, ...], days: float, dice: Random) -> Iterator[Reservation]:
    """Advance reservations and maintenance, of an hour or two."""
    for number in range(dice.choice((0, 0, 1, 3))):
        start = BEGIN + dice.uniform(0, days) * 86_400
        names = tuple(one.name for one in dice.sample(nodes, dice.randint(1, len(nodes))))
        yield Reservation(f"r{number}", names, start, start + dice.uniform(1, 2) * HOUR, dice.choice((None, *PARENTS)))


def _possible(empty: Snapshot, project: str, dice: Random) -> Request:
    """What no submission would refuse, as a rule."""
    chain = chain_of(project, {one.slug: one for one in empty.projects})
    for _ in range(20):
        request = _request(dice)
        if not admission_faults(request, nodes=empty.nodes, chain=chain):
            return request
    return Request()


def _request(dice: Random) -> Request:
    gpus = dice.choice((0, 0, 1, 1, 2, 4, 8))
    return Request(
        cpus=dice.choice((1, 1, 1, 2, 4)),
        memory_mb=1024 * dice.choice((0, 1, 2, 4)),
        gpus=gpus,
        gpu_model=dice.choice(("", "", "", "h100", "t4")) if gpus else "",
        nodes=dice.choice((1, 1, 1, 1, 2, 3)),
    )


def _arrivals(empty: Snapshot, dice: Random, days: float, number: int, *, tame: bool) -> Iterator[Arrival]:
    shapes = [(slug, _possible(empty, slug, dice)) for slug in PARENTS for _ in range(3)]
    moments = sorted(BEGIN + dice.uniform(0, days * 0.8) * 86_400 for _ in range(int(number * days)))
    for job_id, moment in enumerate(moments, 1):
        yield _arrival(job_id, round(moment, 1), *dice.choice(shapes), dice, tame=tame)


def _arrival(job_id: int, moment: float, project: str, request: Request, dice: Random, *, tame: bool) -> Arrival:
    limit = dice.choice((None, *(dice.randint(60, int(LONGEST)) for _ in range(5))))
    real = dice.uniform(10, LONGEST if tame else 3 * LONGEST)
    real = real if limit is None else min(limit, dice.uniform(10, 1.2 * limit))
    predicted = dice.choice((None, min(limit or LONGEST, real * dice.choice((0.5, 1.0, 2.0)))))
    job = WaitingJob(
        job_id, project, dice.choice(QUEUES), dice.choice((10, 30, 50, 50, 90)), moment, request,
        owner=dice.choice(OWNERS), max_runtime_seconds=limit, predicted_seconds=predicted,
        estimated_runtime_seconds=dice.choice((None, limit)),
        deadline=dice.choice((None, None, moment + dice.randint(600, 20_000))),
        not_before=dice.choice((*[None] * 8, moment + dice.randint(1, 7200))),
        checkpointable=dice.random() < 0.7, preemptible=dice.random() < 0.8,
        held=dice.choice((*[""] * 15, "ann")),
    )  # fmt: skip
    earlier = dice.sample(range(max(0, job_id - 9), job_id), min(job_id, dice.choice((0, 0, 0, 0, 1, 2))))
    needs = tuple((need, dice.choice((After.OK, *After))) for need in earlier if need)
    return Arrival(
        job, real, dice.choice((0.0, 3.0, dice.uniform(0, 60))), dice.random() < 0.15, needs, dice.random() < 0.3
    )


def _job_events(arrivals: tuple[Arrival, ...], dice: Random, *, tame: bool) -> Iterator[Event]:
    """What users do: every fourth job is touched once, and what is held or suspended goes on after a while."""
    for one in arrivals:
        moment, later = one.job.submitted_at + dice.uniform(1, 9_000), dice.uniform(10, 7_200)
        if one.job.held:
            yield Event(moment, "release", one.job.id)
        elif dice.random() < 0.25:
            kind = dice.choice(("hold", "hold" if tame else "suspend", "cancel", "set_priority"))
            yield Event(moment, kind, one.job.id, dice.choice((10, 50, 90)))
            if undone := {"hold": "release", "suspend": "resume"}.get(kind):
                yield Event(moment + later, undone, one.job.id)


def _cluster_events(empty: Snapshot, days: float, dice: Random) -> Iterator[Event]:
    """What operators do, and what machines suffer."""
    for _ in range(dice.randint(0, int(12 * days))):
        moment, later = BEGIN + dice.uniform(0, days * 0.7) * 86_400, dice.uniform(60, 4 * HOUR)
        kind = dice.choice(("drain", "take_down", "set_quota", "pause_queue"))
        if kind == "set_quota":
            yield Event(moment, kind, dice.choice(empty.projects).slug, _limits(dice))
        elif kind == "pause_queue":
            name = dice.choice(QUEUES)
            yield Event(moment, kind, name)
            yield Event(moment + later, "open_queue", name)
        else:
            name = dice.choice(empty.nodes).name
            yield Event(moment, kind, name, dice.random() < 0.5)
            yield Event(moment + later, "bring_up", name)
