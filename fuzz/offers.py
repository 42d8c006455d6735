"""Each change that is offered to a waiting job, carried out in the ways in which its owner can."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fuzz.findings import expect
from scheduling import gpu_hours, memory_units
from scheduling.forecast.whatif import Change
from scheduling.planning.plan import make_plan
from scheduling.snapshot import Limits, Snapshot, WaitingJob

OF_A_USER = "user_"
Carried = Callable[[WaitingJob, Any], WaitingJob]


def _asking(name: str, read: Callable[[Any], Any] = lambda value: value) -> Carried:
    return lambda job, to: replace(job, request=replace(job.request, **{name: read(to)}))


FIELDS: Mapping[str, Carried] = {
    "resources.gpus": _asking("gpus"),
    "resources.gpu_model": _asking("gpu_model"),
    "resources.node_labels": _asking("labels", tuple),
    "resources.gpu_memory_gb": _asking("gpu_memory_mb"),
    "resources.memory_gb": _asking("memory_mb", memory_units.megabytes),
    "resources.cpus": _asking("cpus"),
    "resources.nodes": _asking("nodes"),
    "max_runtime_seconds": lambda job, to: replace(
        job, max_runtime_seconds=to, predicted_seconds=min(job.predicted_seconds, to) if job.predicted_seconds else None
    ),
    "queue": lambda job, to: replace(job, queue=to),
    "priority": lambda job, to: replace(job, priority=to),
    "checkpointable": lambda job, to: replace(job, checkpointable=to),
    "preemptible": lambda job, to: replace(job, preemptible=to),
}


def check(world: Snapshot, now: float, job: WaitingJob, changes: Sequence[Change]) -> None:
    for change in changes:
        for job_id, changed in _carried_out(world, now, job, change):
            placed = {one.job_id for one in make_plan(changed, now).placements}
            expect(job_id in placed, "offer", f"{change.sentence} It does not: {job} {change.field} {change.after}")


def _carried_out(world: Snapshot, now: float, job: WaitingJob, change: Change) -> Iterator[tuple[int, Snapshot]]:
    """By a change of the job, which takes a promised room away; for what it asks for, also by a new submission."""
    if change.field == "quota":
        yield job.id, _with_quotas(world, change.after, _raised)
        return
    if change.field == "borrowing_limits":
        yield job.id, _with_quotas(world, change.after, _borrowing)
        return
    if change.field == "gpu_models":
        yield job.id, _with_quotas(world, change.after, _of_models)
        return
    if change.field == "workload.max_running":
        raised = (replace(one, max_running=change.after) if one.key == job.workload else one for one in world.workloads)
        yield job.id, replace(world, workloads=tuple(raised))
        return
    others = tuple(one for one in world.waiting if one.id != job.id)
    changed = replace(FIELDS[change.field](job, change.after), promised=False, room=())
    yield job.id, replace(world, waiting=(*others, changed))
    if change.field.startswith("resources."):
        number = 1 + highest_id(world)
        anew = replace(
            changed, id=number, submitted_at=now, eligible_at=None, near=(), avoid=(), preemptions=0, saved_seconds=0.0
        )
        yield number, replace(world, waiting=(*others, anew))


def highest_id(world: Snapshot) -> int:
    """Of all that are known: those that have ended may still be in the shadow."""
    in_shadow = world.shadow.jobs if world.shadow is not None else ()
    return max([*(job.id for job in world.waiting), *(job.id for job in world.running), *in_shadow])


def _with_quotas(
    world: Snapshot, after: Mapping[str, Mapping[str, Any]], changed: Callable[[Limits, Mapping[str, Any]], Limits]
) -> Snapshot:
    projects = [
        replace(one, limits=changed(one.limits, after[one.slug])) if one.limits and one.slug in after else one
        for one in world.projects
    ]
    return replace(world, projects=tuple(projects))


def _raised(limits: Limits, to: Mapping[str, Any]) -> Limits:
    own = {name: most for name, most in to.items() if not name.startswith(OF_A_USER)}
    users = {name.removeprefix(OF_A_USER): most for name, most in to.items() if name.startswith(OF_A_USER)}
    each = replace(limits.each_user, **_read(users)) if limits.each_user is not None else None
    return replace(limits, **_read(own), each_user=each)


def _of_models(limits: Limits, to: Mapping[str, Any]) -> Limits:
    return replace(limits, gpu_models=tuple((dict(limits.gpu_models) | dict(to)).items()))


def _borrowing(limits: Limits, to: Mapping[str, Any]) -> Limits:
    return replace(limits, borrowing=limits.borrowing._replace(**_read(to)))


def _read(to: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_column(name, most) for name, most in to.items())


def _column(name: str, most: Any) -> tuple[str, Any]:
    if name == "gpu_hours_ahead":
        return "gpu_seconds_ahead", gpu_hours.seconds(most)
    return ("memory_mb", memory_units.megabytes(most)) if name == "memory_gb" else (name, most)
