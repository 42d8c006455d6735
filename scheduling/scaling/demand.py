"""What waiting jobs lack: the planner plans once more with all the nodes that could be had, and those it uses are counted.

So quotas, budgets, holds, dependencies, reservations and gangs count exactly as they do in a plan: a job that would not
start on any number of nodes asks for none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from scheduling.planning.one_pass import plan_pass
from scheduling.rules import Preemption, Rules
from scheduling.run_times import latest_end
from scheduling.scaling.pools import NodePool, PoolDemand
from scheduling.snapshot import NodeView, RunningJob, Snapshot

LAST = "~"
"""Begins the names of nodes that are not there: they come after all that are, so those are filled first."""


class _Use(NamedTuple):
    """What a plan makes of nodes: the jobs on each, and which of the jobs ask for GPUs."""

    jobs: dict[str, set[int]]
    with_gpus: set[int]

    def takes(self, node: NodeView, pool: NodePool) -> set[int]:
        """The jobs there for which the pool has such nodes. No GPU is bought for jobs that ask for none."""
        jobs = self.jobs.get(node.name, set())
        return jobs & self.with_gpus if pool.shape.gpus else jobs


def demand(snapshot: Snapshot, now: float, pools: Sequence[NodePool]) -> tuple[PoolDemand, ...]:
    """The demand for each of the pools, in their order.

    What could start on the nodes that are there should have started: this is to be asked after a plan.
    """
    extra = {pool.name: tuple(_missing(pool)) for pool in pools}
    world = replace(snapshot, rules=counting(snapshot.rules))
    uses = {
        seconds: _use_at(replace(world, nodes=(*snapshot.nodes, *_begun(pools, extra, now + seconds))), now, seconds)
        for seconds in {0.0, *(pool.startup_seconds for pool in pools)}
    }
    held = {share.node for job in snapshot.running for share in job.shares}
    found = (_demand(pool, extra[pool.name], uses, held) for pool in pools)
    return tuple(
        replace(one, waiting=_beyond(world, now, pool)) if pool.consolidates and not extra[pool.name] else one
        for pool, one in zip(pools, found, strict=True)
    )


def _beyond(world: Snapshot, now: float, pool: NodePool) -> int:
    """How many would start on one node more than the pool may have: they wait for room, though none is bought for them."""
    if not world.waiting:
        return 0
    shape = replace(pool.shape, name=f"{LAST}{pool.name}-more", state="up", alive=True)
    [more] = _begun([pool], {pool.name: [shape]}, now)
    return len(_use_at(replace(world, nodes=(*world.nodes, more)), now, 0.0).takes(more, pool))


def _begun(pools: Sequence[NodePool], extra: Mapping[str, Sequence[NodeView]], then: float) -> Iterator[NodeView]:
    """The nodes that may still be had, as they would be just then: those of a pool whose nodes go have all their time left."""
    for pool in pools:
        leaves_at = None if pool.lifetime_seconds is None else then + pool.lifetime_seconds
        yield from (replace(node, leaves_at=leaves_at) for node in extra[pool.name])


def _demand(pool: NodePool, extra: Sequence[NodeView], uses: dict[float, _Use], held: set[str]) -> PoolDemand:
    now, soon = uses[0.0], uses[pool.startup_seconds]
    used_soon = {name for name in pool.nodes if soon.jobs.get(name)}
    started = [now.takes(node, pool) for node in extra]
    return PoolDemand(
        pool.name,
        busy=len(pool.nodes & held),
        now=sum(bool(now.jobs.get(name)) for name in pool.nodes) + sum(map(bool, started)),
        soon=len(used_soon) + sum(bool(soon.takes(node, pool)) for node in extra),
        waiting=len(set().union(*started)),
        idle=tuple(sorted(pool.nodes - held - used_soon)),
    )


def _missing(pool: NodePool) -> Iterator[NodeView]:
    """As many nodes as the pool may still get."""
    for number in range(len(pool.nodes), pool.max_nodes):
        yield replace(pool.shape, name=f"{LAST}{pool.name}-{number:06}", state="up", alive=True)


def _use_at(world: Snapshot, now: float, seconds: float) -> _Use:
    """Which nodes hold jobs in so many seconds: what is not expected to have ended by then, and what could start then."""
    then = now + seconds
    running = tuple(job for job in world.running if not seconds or expected_end(job, now, world.rules) > then)
    places = [(job.id, share) for job in running for share in job.shares]
    if world.waiting:
        plan = plan_pass(replace(world, running=running), then)
        places += [(job.job_id, share) for job in plan.placements for share in job.shares]
    jobs: dict[str, set[int]] = {}
    for number, share in places:
        jobs.setdefault(share.node, set()).add(number)
    return _Use(jobs, {number for number, share in places if share.gpu_indices})


def expected_end(job: RunningJob, now: float, rules: Rules) -> float:
    """By its history while that has not been proved wrong, else by its limit."""
    by_limit = latest_end(job, now, rules.assumed_limit_seconds)
    return by_limit if job.predicted_end is None or job.predicted_end <= now else min(job.predicted_end, by_limit)


def counting(rules: Rules) -> Rules:
    """As few nodes as hold all jobs, nobody stopped, nothing explained."""
    nobody = Preemption(
        min_runtime_seconds=rules.preemption.min_runtime_seconds
    )  # which still says who starts where nodes go
    return replace(rules, placement="best_fit", preemption=nobody, explain=False)
