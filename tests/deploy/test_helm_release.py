"""Helm's way of life on a real API server: installed, upgraded to another road and back, taken away whole.

The chart wants Kubernetes 1.23; here it is told that 1.20 will do, and the older names of two kinds.
"""

import shutil
from pathlib import Path

import pytest
from helm_python import Config

from tests.deploy.api_server import ApiServer
from tests.deploy.test_manifests import CHART

KINDS = "deployments,podtemplates,configmaps,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,jobs,roles"


@pytest.fixture
def chart(tmp_path) -> Path:
    shutil.copytree(CHART, tmp_path / "chart")
    about = tmp_path / "chart/Chart.yaml"
    about.write_text(about.read_text().replace(">=1.23.0-0", ">=1.20.0-0"))
    for file in (tmp_path / "chart/templates").glob("*.yaml"):
        older = (
            file.read_text()
            .replace("policy/v1\n", "policy/v1beta1\n")
            .replace("autoscaling/v2\n", "autoscaling/v2beta2\n")
        )
        file.write_text(older)
    return tmp_path / "chart"


def there(kubernetes: ApiServer) -> set[str]:
    listed = kubernetes.kubectl("get", KINDS, "-n", "by-helm", "-o", "name").split()
    return {name for name in listed if "kube-root-ca" not in name}


def test_it_is_installed_upgraded_and_taken_away(kubernetes: ApiServer, chart: Path):
    # They belong to no namespace: another test may have left them, and Helm takes over what is its own alone.
    kubernetes.kubectl(
        "delete",
        "priorityclasses",
        "trainyard-urgent",
        "trainyard-normal",
        "trainyard-background",
        "--ignore-not-found",
    )
    kubernetes.kubectl("create", "namespace", "by-helm")
    helm = Config(kubeconfig_path=kubernetes.kubeconfig(namespace="by-helm"), namespace="by-helm")
    helm.install(chart, "yard", {}, namespace="by-helm", timeout=60)
    first = there(kubernetes)
    assert {"podtemplate/cpu", "podtemplate/gpu", "job.batch/trainyard-migrate-1"} <= first
    helm.upgrade(
        chart, "yard", {"scaling": "hpa", "image": {"repository": "other", "tag": "2"}}, namespace="by-helm", timeout=60
    )
    second = there(kubernetes)
    assert {
        "deployment.apps/trainyard-cpu",
        "horizontalpodautoscaler.autoscaling/trainyard-cpu",
        "job.batch/trainyard-migrate-2",
    } <= second
    assert not [
        name for name in second if name.startswith("podtemplate/") or name.endswith(("migrate-1", "trainyard-agents"))
    ]
    web = kubernetes.ask("get", "deployment", "trainyard-web", "-n", "by-helm")["spec"]["template"]["spec"]
    assert {one["image"] for one in web["initContainers"] + web["containers"]} == {"other:2"}
    helm.upgrade(chart, "yard", {}, namespace="by-helm", timeout=60, reset_values=True)
    assert {"podtemplate/cpu", "role.rbac.authorization.k8s.io/trainyard-agents"} <= there(kubernetes)
    helm.uninstall("yard", timeout=60)
    assert there(kubernetes) == set()
