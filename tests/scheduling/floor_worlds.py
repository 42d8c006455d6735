"""Small worlds under a floor: one node of four CPUs, and jobs that hold or ask for some of them."""

from dataclasses import replace
from typing import Any

from scheduling.forecast.rollout import carried_out
from scheduling.planning.plan import Plan, make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import EndedJob, Snapshot, WaitingJob
from tests.scheduling.builders import cpu_node, snapshot, waiting

FLOOR = Rules(policy="floor", preemption=Preemption(restart_cost_seconds=0.0, max_per_job=2))
SAVES = {"checkpointable": True}


def job(job_id: int, cpus: int, limit: int, **more: Any) -> WaitingJob:
    more.setdefault("submitted_at", 0.0)
    return waiting(job_id, request=Request(cpus=cpus), max_runtime_seconds=limit, **more)


def world(*jobs: WaitingJob, rules: Rules = FLOOR) -> Snapshot:
    return replace(snapshot(*jobs, nodes=(cpu_node(cpus=4),)), rules=rules)


def then(seen: Snapshot, plan: Plan, now: float, *new: WaitingJob) -> Snapshot:
    """The next snapshot: all that the plan starts runs, all that it stops leaves, and the shadow is handed on."""
    after = carried_out(seen, plan, now)
    gone = {one.job_id: one.for_job for one in plan.preemptions}
    running = tuple(
        replace(one, leaving=True, leaving_for=gone[one.id]) if one.id in gone else one for one in after.running
    )
    return replace(after, waiting=(*after.waiting, *new), running=running, shadow=plan.shadow, ended=())


def carried_on(seen: Snapshot, now: float, *new: WaitingJob) -> Snapshot:
    return then(seen, make_plan(seen, now), now, *new)


def half_taken(*new: WaitingJob) -> Snapshot:
    """Two of the CPUs are held by job 1 until 100, and job 2 waits for all of them."""
    return carried_on(world(job(1, 2, 100), job(2, 4, 50)), 0.0, *new)


def ended(seen: Snapshot, one: WaitingJob, work_seconds: float) -> Snapshot:
    """Without this job, which has ended by itself."""
    left = tuple(other for other in seen.running if other.id != one.id)
    return replace(seen, running=left, ended=(*seen.ended, EndedJob(one, work_seconds)))
