"""A claim that is bound, though nothing here provisions volumes: the scripted kubelet makes a folder of it."""

from tests.executors.kubernetes.kubelet import Kubelet


def bind_claim(kubelet: Kubelet, namespace: str, name: str) -> None:
    """A ReadWriteMany claim in the namespace, with a volume that is called as the namespace is."""
    modes, claims = ["ReadWriteMany"], f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    kubelet.must("POST", "/api/v1/persistentvolumes", {
        "metadata": {"name": namespace},
        "spec": {"accessModes": modes, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/"}},
    })  # fmt: skip
    made = kubelet.must("POST", claims, {
        "metadata": {"name": name},
        "spec": {
            "volumeName": namespace, "storageClassName": "", "accessModes": modes,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })  # fmt: skip
    kubelet.must("PATCH", f"{claims}/{name}/status", {"status": {"phase": "Bound"}})
    reference = {"name": name, "namespace": namespace, "uid": made["metadata"]["uid"]}
    kubelet.must("PATCH", f"/api/v1/persistentvolumes/{namespace}", {"spec": {"claimRef": reference}})
    bound = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    kubelet.must("PATCH", f"{claims}/{name}", {"metadata": bound})
