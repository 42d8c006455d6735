"""A namespace of a real Kubernetes: loaded only where an autoscaler is told of one."""

from collections.abc import Mapping, Sequence
from typing import Any

from clusters.kubernetes.connection import GONE, TAKEN, Connection, DeniedError, JsonObject, KubernetesError
from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.pods import Pod

OVER = frozenset({"Succeeded", "Failed"})


class ApiCluster:
    """Who we are there is said by the pod's own account, or by KUBECONFIG outside of a cluster."""

    def __init__(self, namespace: str) -> None:
        """Raises ActuatorError."""
        try:
            self._connection = Connection()
        except KubernetesError as error:
            raise ActuatorError(str(error)) from None
        self._base = f"/api/v1/namespaces/{namespace}"

    def pods(self, selector: str) -> Sequence[Pod]:
        listed = self._ask("list pods", "GET", "pods", query={"labelSelector": selector})
        return [_pod(item) for item in (listed or {}).get("items") or []]

    def template(self, name: str) -> Mapping[str, Any]:
        """Read as it is: what this client does not know yet reaches the pods all the same."""
        return self._ask(f"read PodTemplate {name}", "GET", f"podtemplates/{name}") or {}

    def create(self, pod: Mapping[str, Any]) -> bool:
        return self._ask(f"make {pod['metadata']['name']}", "POST", "pods", body=dict(pod), unless=TAKEN) is not None

    def delete(self, name: str) -> None:
        self._ask(f"end {name}", "DELETE", f"pods/{name}", unless=GONE)

    def patch(self, name: str, metadata: Mapping[str, Any]) -> None:
        self._ask(f"mark {name}", "PATCH", f"pods/{name}", body={"metadata": dict(metadata)}, unless=GONE)

    def _ask(self, what: str, method: str, path: str, *, unless: int = 0, **more: Any) -> JsonObject | None:
        """What it answers; None where it refuses with `unless`."""
        try:
            return self._connection.ask(what, method, f"{self._base}/{path}", **more)
        except DeniedError as error:
            if error.status == unless:
                return None
            raise ActuatorError(str(error)) from None
        except KubernetesError as error:
            raise ActuatorError(str(error)) from None


def _pod(item: Mapping[str, Any]) -> Pod:
    its = item["metadata"]
    over = item.get("status", {}).get("phase") in OVER
    return Pod(its["name"], its.get("labels", {}), its.get("annotations", {}), "deletionTimestamp" in its, over)
