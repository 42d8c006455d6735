"""Who is looked at first: queue rank, then the queue's policy, then priority, then first come."""

from collections.abc import Mapping
from typing import Any

from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.snapshot import QueueView, Snapshot, WaitingJob


def in_order(snapshot: Snapshot, now: float, default_policy: str) -> list[WaitingJob]:
    """All waiting jobs, the first to start first.

    Queues of one rank and one policy form one line. The keys of different policies cannot be compared, so at one rank
    the lines of different policies follow each other by the policy's name.
    """
    fallback = policy(default_policy)
    queues = {queue.name: (queue, _policy_of(queue, fallback)) for queue in snapshot.queues}
    return sorted(snapshot.waiting, key=lambda job: _place(job, queues, now))


def _policy_of(queue: QueueView, fallback: SchedulingPolicy) -> SchedulingPolicy:
    """An unknown policy starts no jobs (see `holds`), so any order will do."""
    return POLICIES.get(queue.policy, fallback)


def _place(
    job: WaitingJob, queues: Mapping[str, tuple[QueueView, SchedulingPolicy]], now: float
) -> tuple[int, str, tuple[Any, ...]]:
    queue, line = queues[job.queue]
    return (-queue.rank, line.name, line.place_in_line(job, queue, now))
