"""Takes those into the shadow that run here before their turn and cannot be stopped any more: they have their turn with that.

Others were stopped for them by a preemption strategy, or somebody took back that they may be stopped. Whoever may not be
stopped here has to run in the shadow as well, or room for a due job could not always be made. The room is taken from others
there, which stand in line again: first from those that lose no promise by it.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.plan_result import BrokenPromise, WhyBroken
from scheduling.planning.turn_reasons import may_start_early
from scheduling.policies import POLICIES
from scheduling.priorities import URGENT_FROM
from scheduling.snapshot import Allocation, RunningJob, ShadowJob, Snapshot
from scheduling.stages import in_line, started

Shares = tuple[Allocation, ...]


def queues_with_floor(snapshot: Snapshot) -> AbstractSet[str]:
    """The queues whose policies promise a floor."""
    names = ((queue.name, queue.policy or snapshot.rules.policy) for queue in snapshot.queues)
    return {queue for queue, name in names if name in POLICIES and POLICIES[name].keeps_floor}


def goes_before(job: RunningJob, snapshot: Snapshot, floors: AbstractSet[str]) -> bool:
    """Whether no due job stops it: it is urgent, others may be stopped for it, and its queue keeps no floor.

    Otherwise the two would take turns: those that were stopped for it would have it stopped as soon as they are due.
    """
    return bool(snapshot.rules.preemption.strategies) and job.priority >= URGENT_FROM and job.queue not in floors


def is_bound(job: RunningJob, snapshot: Snapshot, floors: AbstractSet[str]) -> bool:
    """Whether the job runs on to its end, whoever's turn it is."""
    return not job.leaving and (not may_start_early(job, snapshot.rules) or goes_before(job, snapshot, floors))


class Admission:
    """Changes `jobs`, those of the shadow that `world` is; `own` are the names of its nodes by those of the machines."""

    def __init__(
        self,
        jobs: MutableMapping[int, ShadowJob],
        world: Snapshot,
        own: Mapping[str, str],
        running: Mapping[int, RunningJob],
    ) -> None:
        self.broken: list[BrokenPromise] = []
        self._jobs = jobs
        self._own = own
        self._running = running
        self._free = FreeNodes.of(world)

    def admit(self, job: RunningJob, began: float) -> None:
        """Let it run there as well, where it runs here, as if it had begun then."""
        known = self._jobs.pop(job.id, None) or ShadowJob(in_line(job, began))
        self._run_as_here(replace(known, started_at=began), job)

    def _run_as_here(self, one: ShadowJob, job: RunningJob) -> None:
        shares = self._there(job)
        for other in self._in_the_way(shares):
            if all(share.node not in self._free or self._free[share.node].has(share) for share in shares):
                break
            if self._jobs.get(other.job.id) is other:
                self._make_room(other, job)
        for share in shares:
            if share.node in self._free:
                self._free.allocate(share, holder=job.id)
        run = started(one.job, shares, one.started_at or 0.0)
        self._jobs[job.id] = replace(one, shares=shares, run=run)  # those that are let in later stand later

    def _there(self, job: RunningJob) -> Shares:
        return tuple(replace(share, node=self._own.get(share.node, share.node)) for share in job.shares)

    def _in_the_way(self, shares: Shares) -> Sequence[ShadowJob]:
        """Those that have room there on nodes where they do not run here: all that do fit beside what runs here too."""
        nodes = {share.node for share in shares}
        others = [one for one in self._jobs.values() if any(share.node in nodes for share in one.shares)]
        return sorted((one for one in others if not self._is_in_place(one)), key=self._loss)

    def _is_in_place(self, one: ShadowJob) -> bool:
        job = self._running.get(one.job.id)
        return job is not None and {share.node for share in self._there(job)} == {share.node for share in one.shares}

    def _loss(self, one: ShadowJob) -> tuple[bool, bool, float, int]:
        """Whoever has ended here needs no room there, who runs here elsewhere can have it there; then who started last."""
        return (one.work_seconds is None, one.job.id not in self._running, -(one.started_at or 0.0), one.job.id)

    def _make_room(self, one: ShadowJob, winner: RunningJob) -> None:
        job_id = one.job.id
        del self._jobs[job_id]
        for share in one.shares:
            self._free.release(share, holder=job_id)
        if job_id in self._running:
            self._run_as_here(one, self._running[job_id])
        elif one.work_seconds is None:
            self.broken.append(BrokenPromise(job_id, WhyBroken.PREEMPTED, (str(winner.id),)))
