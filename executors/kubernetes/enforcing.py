"""What has to be asked of Kubernetes so that a workload ends: because it was asked to, or because its time is up. Pure.

A pod is ended by giving it a deadline that has passed, not by deleting it: the kubelet then sends SIGTERM, waits for the
pod's own grace and kills, as for a deletion, but the pod stays, and with it the last lines of its log and its exit code.
Only who has not ended in the time that he was given, where that is less than his pod's own, is deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from clusters.kubernetes.connection import JsonObject
from executors.kubernetes import pods
from executors.kubernetes.manifest import LIMIT, MAIN, STOP_BY, STOP_GRACE
from executors.kubernetes.observing import Parts


@dataclass(frozen=True, slots=True)
class Wish:
    """One request about one object of this workload."""

    method: str
    kind: str
    name: str
    body: JsonObject


def stop(its: Parts, *, now: float, grace_seconds: float) -> Iterator[Wish]:
    """Marks it as asked to end within its grace; marked already, only if that is sooner. What follows is `overdue`'s."""
    stop_by = now + max(0.0, grace_seconds)
    for job in its.jobs.values():
        before = pods.stop_by(job)
        if before is not None and stop_by >= before:
            continue
        mark: JsonObject = {
            "metadata": {"annotations": {STOP_BY: f"{stop_by:.3f}", STOP_GRACE: f"{max(0.0, grace_seconds):.3f}"}}
        }
        if not any(pods.node_of(pod) for pod in _pods_of(its, job)):
            mark["spec"] = {"parallelism": 0}  # whoever has no machine yet gets none
        yield Wish("PATCH", "jobs", pods.name_of(job), mark)


def overdue(its: Parts, *, now: float) -> Iterator[Wish]:
    """For pods that were asked to end or whose time is up, and for those that did not end in the time that they were given."""
    for job in its.jobs.values():
        for pod in _pods_of(its, job):
            if pods.state(pod, MAIN, "terminated") is not None or pods.is_over(pod) or pods.is_leaving(pod):
                continue
            if pods.stop_by(job) is None:
                yield from _limit(pod, now)
            else:
                yield from _end(job, pod, now)


def _end(job: JsonObject, pod: JsonObject, now: float) -> Iterator[Wish]:
    if not pods.node_of(pod):
        yield _delete(pod, 0)
    elif pod["spec"].get("activeDeadlineSeconds") != 1:
        yield Wish("PATCH", "pods", pods.name_of(pod), {"spec": {"activeDeadlineSeconds": 1}})
    elif now > (pods.stop_by(job) or now) and _own_grace(pod) > float(pods.annotation(job, STOP_GRACE) or 0):
        # No replacement for it: older servers would make one.
        yield Wish("PATCH", "jobs", pods.name_of(job), {"spec": {"parallelism": 0}})
        yield _delete(pod, 1)


def _own_grace(pod: JsonObject) -> float:
    return float(pod["spec"].get("terminationGracePeriodSeconds") or 30)


def _limit(pod: JsonObject, now: float) -> Iterator[Wish]:
    """The limit counts from when the command began, the pod's deadline from when its node took it: so it is set late."""
    limit, began = pods.annotation(pod, LIMIT), pods.started_at(pod)
    taken = pods.seconds(pod.get("status", {}).get("startTime"))
    if not limit or began is None or taken is None or now < began + int(limit):
        return
    deadline = max(1, int(began - taken) + int(limit))
    if (pod["spec"].get("activeDeadlineSeconds") or deadline + 1) > deadline:
        yield Wish("PATCH", "pods", pods.name_of(pod), {"spec": {"activeDeadlineSeconds": deadline}})


def _pods_of(its: Parts, job: JsonObject) -> list[JsonObject]:
    name = pods.name_of(job)
    return [
        pod for pod in its.pods if any(one.get("name") == name for one in pod["metadata"].get("ownerReferences") or [])
    ]


def _delete(pod: JsonObject, grace_seconds: int) -> Wish:
    return Wish("DELETE", "pods", pods.name_of(pod), {"gracePeriodSeconds": grace_seconds})
