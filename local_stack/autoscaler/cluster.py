"""A namespace of a real Kubernetes, by its official client: loaded only where an autoscaler is told of one."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.pods import Pod

SECONDS = (5, 30)
"""To connect, and to answer."""
OVER = frozenset({"Succeeded", "Failed"})
GONE, TAKEN = 404, 409


class ApiCluster:
    """Who we are there is said by the pod's own account, or by KUBECONFIG outside of a cluster."""

    def __init__(self, namespace: str) -> None:
        """Raises ActuatorError."""
        self._namespace = namespace
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config()
            else:
                config.load_kube_config(os.environ.get("KUBECONFIG"))
        except (config.ConfigException, OSError) as error:
            words = str(error).rstrip(".")
            raise ActuatorError(f"No Kubernetes to speak to: {words}.") from None
        self._api = client.CoreV1Api()

    def pods(self, selector: str) -> Sequence[Pod]:
        found = self._api.list_namespaced_pod
        listed = self._ask("list pods", found, self._namespace, label_selector=selector, _preload_content=False)
        return [_pod(item) for item in json.loads(listed.data)["items"]]

    def template(self, name: str) -> Mapping[str, Any]:
        """Read as it is: what this client does not know yet reaches the pods all the same."""
        read = self._api.read_namespaced_pod_template
        found = self._ask(f"read PodTemplate {name}", read, name, self._namespace, _preload_content=False)
        return dict(json.loads(found.data))

    def create(self, pod: Mapping[str, Any]) -> bool:
        name = pod["metadata"]["name"]
        made = self._ask(f"make {name}", self._api.create_namespaced_pod, self._namespace, dict(pod), unless=TAKEN)
        return made is not None

    def delete(self, name: str) -> None:
        self._ask(f"end {name}", self._api.delete_namespaced_pod, name, self._namespace, unless=GONE)

    def patch(self, name: str, metadata: Mapping[str, Any]) -> None:
        body = {"metadata": dict(metadata)}
        self._ask(f"mark {name}", self._api.patch_namespaced_pod, name, self._namespace, body, unless=GONE)

    def _ask(self, what: str, call: Callable[..., Any], *words: Any, unless: int = 0, **more: Any) -> Any:
        """What it answers; None where it refuses with `unless`."""
        try:
            return call(*words, **more, _request_timeout=SECONDS)
        except client.ApiException as error:
            if error.status == unless:
                return None
            raise ActuatorError(f"Kubernetes does not {what}: {_words(error)}.") from None
        except (HTTPError, OSError) as error:
            raise ActuatorError(f"Kubernetes does not answer ({type(error).__name__}): cannot {what}.") from None


def _pod(item: Mapping[str, Any]) -> Pod:
    its = item["metadata"]
    over = item.get("status", {}).get("phase") in OVER
    return Pod(its["name"], its.get("labels", {}), its.get("annotations", {}), "deletionTimestamp" in its, over)


def _words(error: client.ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"]).rstrip(".")
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
