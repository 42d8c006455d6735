"""What would be lost with each agent's pod, written on the pod: whoever else makes pods go takes the emptiest first.

A ReplicaSet that has to shrink ends pods by their deletion cost, the lowest first; a PodDisruptionBudget keeps evictions off
those that are labelled as busy. Both go by what was last written: a job that came since is not seen, so it may be ended, with
a checkpoint, like those of any agent that is stopped.
"""

from collections.abc import Sequence
from typing import Any

from jobs.control.pool_draining import priorities_held
from local_stack.autoscaler.pods import POOL, Cluster, Pod

COST = "controller.kubernetes.io/pod-deletion-cost"
BUSY = "trainyard/busy"
A_JOB = 1000
"""More than any priority: two jobs weigh more than one."""


def deletion_cost(priorities: Sequence[int]) -> int:
    """Of an agent that holds jobs of these priorities: the more jobs the more, of as many the more urgent the more."""
    return A_JOB * len(priorities) + max(priorities, default=0)


def keep_current(cluster: Cluster) -> int:
    """Write on each agent's pod what it would cost to end it; returns on how many that was another one. Raises ActuatorError."""
    pods = [pod for pod in cluster.pods(POOL) if not pod.going and not pod.over]
    held = priorities_held(pod.name for pod in pods)
    changed = [(pod, wanted) for pod in pods if (wanted := _marks(held.get(pod.name, []))) != _marks_of(pod)]
    for pod, wanted in changed:
        cluster.patch(pod.name, wanted)
    return len(changed)


def _marks(priorities: Sequence[int]) -> dict[str, Any]:
    busy = str(bool(priorities)).lower()
    return {"annotations": {COST: str(deletion_cost(priorities))}, "labels": {BUSY: busy}}


def _marks_of(pod: Pod) -> dict[str, Any]:
    return {"annotations": {COST: pod.annotations.get(COST)}, "labels": {BUSY: pod.labels.get(BUSY)}}
