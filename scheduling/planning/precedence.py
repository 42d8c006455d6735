"""Why one waiting job stands before another, in a few words that hold for many pairs."""

from collections.abc import Mapping

from scheduling.planning.ordering import PendingOrder
from scheduling.planning.standing import as_they_stand
from scheduling.policies import POLICIES, policy
from scheduling.snapshot import QueueView, Snapshot, WaitingJob

BY_ARRIVAL = frozenset({"fifo", "backfill"})


class Precedence:
    """The line of one pass, asked for its grounds."""

    def __init__(self, snapshot: Snapshot, line: PendingOrder) -> None:
        self._queues: Mapping[str, QueueView] = {queue.name: queue for queue in snapshot.queues}
        self._fallback = policy(snapshot.rules.policy)
        self._ages = snapshot.rules.ageing_points_per_hour > 0
        self._early = line.ahead
        self._early_in_line = line.ahead_in_line
        self._standing = {job.id: job for job in as_they_stand(snapshot)}

    def why(self, first: WaitingJob, job: WaitingJob) -> str:
        """The ground on which `first` goes before `job`."""
        if first.pinned:
            return "its turn has come"
        if first.promised:
            return "others were stopped to make room for it"
        if first.id in self._early:
            return "it has waited longer than the bounded wait"
        own = first
        first, job = self._standing.get(first.id, first), self._standing.get(job.id, job)
        if (first.queue, first.priority) != (own.queue, own.priority):
            return "jobs that go first wait for it"
        if self._queues[first.queue].rank != self._queues[job.queue].rank:
            return f"queue {first.queue} goes before {job.queue}"
        return self._by_policy(first, job)

    def _by_policy(self, first: WaitingJob, job: WaitingJob) -> str:
        name, other = self._policy_of(first), self._policy_of(job)
        if name != other:
            return f"the line of policy {name} goes before that of {other}"
        if first.id in self._early_in_line:
            return f"it has waited longer than the bound that policy {name} has learned"
        by_priority = name == "priority" and not self._ages
        if by_priority and first.priority > job.priority:
            return "it has the higher priority"
        came_first = (first.submitted_at, first.id) < (job.submitted_at, job.id)
        if came_first and (name in BY_ARRIVAL or (by_priority and first.priority == job.priority)):
            return "it came first"
        return f"policy {name} puts it first"

    def _policy_of(self, job: WaitingJob) -> str:
        return POLICIES.get(self._queues[job.queue].policy, self._fallback).name
