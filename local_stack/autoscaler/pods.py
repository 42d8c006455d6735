"""Pods of a Kubernetes as an actuator: each has the name of its node, and is made of a PodTemplate that its operator wrote.

What the API server says is there is there: it answers with what it has written down, so nothing is remembered here.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from local_stack.autoscaler.actuator import ActuatorError
from workers.models import NodePool
from workers.pod_settings import read_pod_settings

T = TypeVar("T")
POOL = "trainyard/pool"
"""The label that says of which pool a pod is."""


class Pod(NamedTuple):
    name: str
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    going: bool = False  # told to end, and has not yet
    over: bool = False  # ended for good: evicted, say


class Cluster(Protocol):
    """One namespace of a Kubernetes, as far as an autoscaler needs it. All of it raises ActuatorError."""

    def pods(self, selector: str) -> Sequence[Pod]:
        """Those with such labels."""

    def template(self, name: str) -> Mapping[str, Any]:
        """The PodTemplate, as the API server tells it."""

    def create(self, pod: Mapping[str, Any]) -> bool:
        """Whether it was made: not where there is one of that name."""

    def delete(self, name: str) -> None:
        """Have it end within its own time, if it is there."""

    def patch(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Change its labels and annotations, if it is there."""


class KubernetesPods:
    """Of one pool, as its row says now."""

    def __init__(self, cluster: Cluster, pool: NodePool) -> None:
        """Raises InvalidError."""
        self._cluster = cluster
        self._pool = pool.name
        self._template = read_pod_settings(pool.actuator_settings).template or pool.name

    def members(self) -> Mapping[str, bool]:
        """Without those that are over: these are cleared away, so that their names are free."""
        mine = re.compile(rf"{re.escape(self._pool)}-[1-9]\d*")
        pods = [pod for pod in self._cluster.pods(f"{POOL}={self._pool}") if mine.fullmatch(pod.name)]
        self._each(self._cluster.delete, [pod.name for pod in pods if pod.over and not pod.going])
        return {pod.name: pod.going for pod in pods if not pod.over}

    def up(self, names: Sequence[str]) -> None:
        template = self._cluster.template(self._template)
        made = self._each(lambda name: self._cluster.create(self._pod(name, template)), names)
        taken = [name for name, new in made.items() if not new]
        if taken and (others := sorted(set(taken) - self.members().keys())):
            raise ActuatorError(f"There are pods {', '.join(others)} that are none of the pool's: delete them.")

    def down(self, names: Sequence[str]) -> None:
        self._each(self._cluster.delete, names)

    def withdraw(self, most: int) -> Sequence[str]:  # noqa: ARG002  a pod that finds no room is none of ours to judge
        return ()

    def _pod(self, name: str, template: Mapping[str, Any]) -> dict[str, Any]:
        """It belongs to its template: who deletes that one, deletes it, and `kubectl drain` knows that somebody cares for it."""
        pattern, origin = template["template"], template["metadata"]
        said = pattern.get("metadata") or {}
        owner = {"apiVersion": "v1", "kind": "PodTemplate", "name": origin["name"], "uid": origin["uid"]}
        metadata = {
            "name": name,
            "labels": {**(said.get("labels") or {}), POOL: self._pool},
            "annotations": said.get("annotations") or {},
            "ownerReferences": [{**owner, "controller": True}],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pattern["spec"]}

    def _each(self, act: Callable[[str], T], names: Iterable[str]) -> dict[str, T]:
        """One that fails keeps no other from coming or going."""
        done: dict[str, T] = {}
        failed: list[ActuatorError] = []
        for name in names:
            try:
                done[name] = act(name)
            except ActuatorError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return done
