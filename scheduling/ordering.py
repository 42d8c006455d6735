"""Who is looked at first: queue rank, then the queue's policy, then priority, then first come."""

from typing import Any

from scheduling.policies import POLICIES, policy
from scheduling.snapshot import Snapshot, WaitingJob


def in_order(snapshot: Snapshot, now: float, default_policy: str) -> list[WaitingJob]:
    """All waiting jobs, the first to start first.

    Queues of one rank and one policy form one line. The keys of different policies cannot be compared, so at one rank
    the lines of different policies follow each other by the policy's name. A queue whose policy does not exist starts
    no jobs (see `holds`): any order will do for it.
    """
    fallback = policy(default_policy)
    queues = {queue.name: (queue, POLICIES.get(queue.policy, fallback)) for queue in snapshot.queues}

    def place(job: WaitingJob) -> tuple[Any, ...]:
        queue, order = queues[job.queue]
        return (-queue.rank, order.name, order.sort_key(job, queue, now), -job.priority, job.submitted_at, job.id)

    return sorted(snapshot.waiting, key=place)
