"""A namespace of a Kubernetes in memory, that answers as the real one does (`tests/deploy/test_pods.py` asks that one)."""

from collections.abc import Mapping
from typing import Any

from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.pods import POOL, Pod

TEMPLATE: dict[str, Any] = {
    "metadata": {"name": "p", "uid": "u-1"},
    "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "new": "field"}]}},
}


class Namespace:
    def __init__(self, *pods: Pod) -> None:
        self.there = {pod.name: pod for pod in pods}
        self.bodies: dict[str, Mapping[str, Any]] = {}
        self.patched: list[tuple[str, Mapping[str, Any]]] = []
        self.refused: set[str] = set()

    def pods(self, selector: str) -> list[Pod]:
        label, _, value = selector.partition("=")
        return [
            pod
            for pod in self.there.values()
            if (pod.labels.get(label) if value else label in pod.labels) == (value or True)
        ]

    def template(self, name: str) -> Mapping[str, Any]:
        if name != TEMPLATE["metadata"]["name"]:
            raise ActuatorError(f'Kubernetes does not read PodTemplate {name}: podtemplates "{name}" not found.')
        return TEMPLATE

    def create(self, pod: Mapping[str, Any]) -> bool:
        name = pod["metadata"]["name"]
        if name in self.refused:
            raise ActuatorError(f"Kubernetes does not make {name}: exceeded quota.")
        if name in self.there:
            return False
        self.bodies[name] = pod
        self.there[name] = Pod(name, pod["metadata"]["labels"], pod["metadata"]["annotations"])
        return True

    def delete(self, name: str) -> None:
        pod = self.there.pop(name, None)
        if pod is not None and not pod.over:
            self.there[name] = pod._replace(going=True)

    def patch(self, name: str, metadata: Mapping[str, Any]) -> None:
        self.patched.append((name, metadata))
        pod = self.there[name]
        labels, annotations = ({**getattr(pod, part), **metadata[part]} for part in ("labels", "annotations"))
        self.there[name] = pod._replace(labels=labels, annotations=annotations)


def agent(name: str, pool: str = "p", **more: Any) -> Pod:
    return Pod(name, {POOL: pool}, **more)
