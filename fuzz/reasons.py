"""The causes that are told keep the job, each by itself; and nothing else does: without all of them it starts alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from fuzz.findings import expect
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.plan import Plan, make_plan
from scheduling.planning.turn_reasons import may_start_early
from scheduling.reasons import Reason, ReasonCode
from scheduling.snapshot import NodeView, Snapshot, WaitingJob

Cure: TypeAlias = Callable[[Snapshot, WaitingJob], tuple[Snapshot, WaitingJob]]


def _free(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return world, replace(job, held="", stopped="")


def _met(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return world, replace(job, unmet=())


def _forgiven(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    """A dead chain is told instead of the unmet dependency that it hangs on."""
    return world, replace(job, broken=(), unmet=())


def _in_time(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return world, replace(job, not_before=None)


def _open(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return replace(world, queues=tuple(replace(one, state="open") for one in world.queues)), job


def _wide(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return replace(world, queues=tuple(replace(one, max_running=None, each_user=None) for one in world.queues)), job


def _allowed(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return replace(world, projects=tuple(replace(one, limits=None) for one in world.projects)), job


def _unlimited(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return replace(world, workloads=()), job


def _up(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return replace(world, nodes=(*map(_taking, world.nodes), *map(_another, world.nodes))), job


def _roomy(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    """As much again, of which nothing is taken."""
    return replace(world, nodes=(*world.nodes, *map(_another, world.nodes))), job


def _taking(node: NodeView) -> NodeView:
    return replace(node, state="up", alive=True)


def _another(node: NodeView) -> NodeView:
    return replace(node, name=f"another {node.name}")


def _alone(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    """Nobody else waits, and no node is reserved."""
    return replace(world, reservations=()), job


def _able_to_give_way(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return world, replace(job, checkpointable=True, preemptible=True, preemptions=0)


def _staying(world: Snapshot, job: WaitingJob) -> tuple[Snapshot, WaitingJob]:
    return replace(world, nodes=tuple(replace(one, leaves_at=None) for one in world.nodes)), job


CURES: Mapping[ReasonCode, Cure] = {
    ReasonCode.HELD: _free,
    ReasonCode.WORKLOAD: _free,
    ReasonCode.DEPENDENCY: _met,
    ReasonCode.DEPENDENCY_FAILED: _forgiven,
    ReasonCode.NOT_BEFORE: _in_time,
    ReasonCode.QUEUE_PAUSED: _open,
    ReasonCode.QUEUE_LIMIT: _wide,
    ReasonCode.QUOTA: _allowed,
    ReasonCode.WORKLOAD_LIMIT: _unlimited,
    ReasonCode.RESOURCES: _roomy,
    ReasonCode.AHEAD: _alone,
    ReasonCode.RESERVED: _alone,
    ReasonCode.TURN: _able_to_give_way,
    ReasonCode.NODE_LEAVES: _staying,
}
"""What takes each cause away. What the platform does not have (hardware, nodes) is left as it is."""
BY_THEMSELVES = CURES.keys() - {
    ReasonCode.AHEAD,
    ReasonCode.RESERVED,
    ReasonCode.DEPENDENCY_FAILED,
    ReasonCode.TURN,
    ReasonCode.NODE_LEAVES,
}


def check(world: Snapshot, now: float, job: WaitingJob, told: Sequence[Reason]) -> None:
    codes = {reason.code for reason in told}
    known = {one.id for one in world.waiting} | {one.id for one in world.running}
    known |= {need for one in world.waiting for need in one.broken}
    for reason in told:
        expect(set(reason.held_by) <= known, "reasons", f"job {job.id}: {reason} names who is not there")
    # Under a floor its turn comes after those that started before theirs too: they stand before it in the shadow.
    in_turn = keeps_floor(world) and not may_start_early(job, world.rules) and ReasonCode.TURN not in codes
    if codes <= CURES.keys() and not in_turn:
        plan = _plan_without(world, now, job, codes)
        # Under a floor its place is where the shadow has it: others may have to stop there, though there is room elsewhere.
        starts = plan.placements or plan.preemptions
        expect(not codes or starts, "reasons", f"job {job.id} is told {_words(told)}; without all that it still waits")
        unsaid = {ReasonCode.DEPENDENCY} if ReasonCode.DEPENDENCY_FAILED in codes else set()
        for code in codes & BY_THEMSELVES - unsaid:
            alone = _plan_without(world, now, job, codes - {code}).placements
            expect(not alone, "reasons", f"job {job.id} is told {_words(told)}; {code} does not keep it")


def _plan_without(world: Snapshot, now: float, job: WaitingJob, codes: Iterable[ReasonCode]) -> Plan:
    changed, cured = _alone(world, job)
    for code in sorted(codes):
        changed, cured = CURES[code](changed, cured)
    return make_plan(replace(changed, waiting=(cured,)), now)


def _words(told: Sequence[Reason]) -> str:
    return " ".join(f"[{reason.code}] {reason.sentence}" for reason in told)
