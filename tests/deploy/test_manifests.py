"""deploy/kubernetes/ as the real tools read it: kustomize, Helm, the schemas of several versions, and an API server."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from helm_python import Chart, HelmError, lint

from scheduler_site.settings import DRAIN_SECONDS, MAX_GRACE_SECONDS
from tests.architecture import source
from tests.deploy.api_server import ApiServer, rendered, rendered_text
from tests.deploy.keda_schema import SPECS, definition
from workers.models import NodePool

FOLDER = source.ROOT / "deploy/kubernetes"
CHART = FOLDER / "chart"
VALIDATE = Path(sys.executable).with_name("kubernetes-validate")
VERSIONS = ("1.27", "1.35")
OVERLAYS = ("base", "overlays/try", "overlays/hpa", "overlays/keda", "overlays/bridge", "overlays/quotas")
VALUES: dict[str, dict[str, Any]] = {
    "helm": {},
    "helm, hpa": {"scaling": "hpa"},
    "helm, keda": {"scaling": "keda"},
    "helm, inside": {"inside": {"enabled": True}},
    "helm, bridge": {"bridge": {"enabled": True}},
    "helm, quotas": {"quotaProvider": {"name": "k8s", "namespace": "jobs-{project}"}},
    "helm, quotas of one namespace": {"quotaProvider": {"name": "k8s", "namespace": "trainyard", "create": False}},
    "helm, quotas of Slurm": {"quotaProvider": {"name": "slurm", "accountPrefix": "ty-"}},
}
SPEAK_TO_THE_API_SERVER = ("trainyard-autoscaler", "trainyard-bridge")
OLDER = {"policy/v1": "policy/v1beta1", "autoscaling/v2": "autoscaling/v2beta2"}
"""What the API server of the tests calls it."""
ROADS = (*OVERLAYS, *VALUES)


def charted(values: dict[str, Any]) -> list[dict[str, Any]]:
    files = Chart.load(CHART).render(values, name="trainyard", namespace="trainyard")
    return [one for text in files.values() for one in yaml.safe_load_all(text) if one]


@cache
def objects(road: str) -> list[dict[str, Any]]:
    return charted(VALUES[road]) if road in VALUES else rendered(road)


def pods(road: str) -> dict[str, dict[str, Any]]:
    """The spec of each kind of pod, by the name of what makes it."""
    makers = ("Deployment", "StatefulSet", "Job", "PodTemplate")
    found = {
        one["metadata"]["name"]: one.get("template") or one["spec"]["template"]
        for one in objects(road)
        if one["kind"] in makers
    }
    return {name: template["spec"] for name, template in found.items() if template}


def containers(road: str):
    for name, spec in pods(road).items():
        yield from ((name, one) for one in spec.get("initContainers", []) + spec["containers"])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_several_versions_take_all_of_it(version, tmp_path):
    ours = {
        json.dumps(one, sort_keys=True)
        for road in ROADS
        for one in objects(road)
        if not one["apiVersion"].startswith("keda.sh")
    }
    (tmp_path / "all.yaml").write_text("\n---\n".join(sorted(ours)))
    command = [VALIDATE, "-k", version, "--strict", tmp_path / "all.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, "WARN" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr


def test_a_word_that_is_none_would_be_found(tmp_path):
    (tmp_path / "all.yaml").write_text(rendered_text("base").replace("restartPolicy:", "restartPolcy:"))
    command = [VALIDATE, "-k", VERSIONS[-1], "--strict", tmp_path / "all.yaml"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


@pytest.mark.parametrize("road", ["overlays/keda", "helm, keda"])
def test_keda_s_kinds_are_as_its_documentation_says(road):
    found = [one for one in objects(road) if one["apiVersion"] == "keda.sh/v1alpha1"]
    assert len(found) == 3
    for one in found:
        jsonschema.validate(one["spec"], SPECS[one["kind"]])


@pytest.mark.parametrize("road", ROADS)
def test_an_api_server_takes_all_of_it(kubernetes: ApiServer, road):
    """As a dry run: nothing is left there. `trainyard` is there already, as a namespace is not made in one."""
    kubernetes.kubectl("create", "namespace", "trainyard", check=False)
    for kind in SPECS:
        kubernetes.kubectl("apply", "-f", "-", text=json.dumps(definition(kind)))
        kubernetes.kubectl("wait", "--for=condition=Established", f"crd/{kind.lower()}s.keda.sh", "--timeout=30s")
    wanted = [{**one, "apiVersion": OLDER.get(one["apiVersion"], one["apiVersion"])} for one in objects(road)]
    told = kubernetes.kubectl(
        "apply", "--dry-run=server", "-n", "trainyard", "-f", "-", text=yaml.safe_dump_all(wanted)
    )  # fmt: skip
    assert told.count("(server dry run)") == len(wanted)


def test_helm_has_nothing_to_say_but_that_there_is_no_picture():
    told = lint(CHART, strict=True)
    assert told["errors"] == []
    assert [one["error"] for one in told["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize(
    "values", [{"scaling": "kubernetes"}, {"pols": {}}, {"bridge": {"on": True}}, {"bridge": {"cluster": "My Cluster"}}, {"quotaProvider": {"name": "k8s"}}, {"quotaProvider": {"name": "slurm"}}, {"quotaProvider": {"name": "k8s", "namespace": "Jobs"}}, {"pools": {"CPU": {"cpus": 1, "memory_gb": 1, "max_nodes": 1, "agent": {"memory": "1Gi"}}}}]
)  # fmt: skip
def test_helm_refuses_values_that_mean_nothing(values):
    with pytest.raises(HelmError):
        charted(values)


def same(one: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Without what only one of the two tools writes."""
    one = json.loads(json.dumps(one))
    its = one["metadata"]
    its.pop("namespace", None)
    its.get("labels", {}).pop("app.kubernetes.io/part-of", None)
    its.pop("labels", None) if not its.get("labels") else None
    its["name"] = its["name"].removesuffix("-1")
    if its["name"] == "trainyard-setup":
        one["data"] = {
            name: sorted(map(repr, map(sorted, map(dict.items, yaml.safe_load(text)["pools"]))))
            for name, text in one["data"].items()
        }
    return f"{one['kind']} {its['name']}", one


@pytest.mark.parametrize(
    ("overlay", "road"),
    [
        ("base", "helm"),
        ("overlays/hpa", "helm, hpa"),
        ("overlays/keda", "helm, keda"),
        ("overlays/bridge", "helm, bridge"),
        ("overlays/quotas", "helm, quotas"),
    ],
)
def test_helm_and_kustomize_make_the_same(overlay, road):
    by_kustomize = dict(same(one) for one in rendered(overlay) if one["kind"] != "Namespace")
    by_helm = dict(map(same, objects(road)))
    assert by_helm.keys() == by_kustomize.keys()
    for name, wanted in by_kustomize.items():
        assert by_helm[name] == wanted


def test_helm_puts_the_same_stores_inside():
    by_kustomize = dict(same(one) for one in rendered("overlays/try"))
    inside = {name: one for name, one in map(same, objects("helm, inside")) if name.endswith((" postgres", " redis"))}
    assert inside == {name: by_kustomize[name] for name in inside}
    assert len(inside) == 6


@pytest.mark.parametrize("road", ROADS)
def test_nothing_runs_as_root_writes_into_its_image_or_can_gain_rights(road):
    for name, spec in pods(road).items():
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, "a service `trainyard` would set TRAINYARD_PORT"
        speaks = name in SPEAK_TO_THE_API_SERVER or spec.get("serviceAccountName") == "trainyard-control"
        assert spec["automountServiceAccountToken"] is speaks, name
    for name, one in containers(road):
        assert one["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, name  # fmt: skip
        assert {"cpu", "memory"} <= one["resources"]["requests"].keys(), "a quota refuses who does not say"


@pytest.mark.parametrize("road", ROADS)
def test_secrets_are_files_and_agents_get_their_own_alone(road):
    for name, one in containers(road):
        assert not any(
            "secretRef" in source or "secretKeyRef" in json.dumps(source) for source in one.get("envFrom", [])
        )
        assert "secretKeyRef" not in json.dumps(one.get("env", [])), name
    for name, spec in pods(road).items():
        of = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        agent = any({"node", "bridge"} & set(one.get("args", [])) for one in spec["containers"])
        assert of == (
            {"trainyard-agent"}
            if agent
            else {"trainyard-site", "trainyard-agent"}
            if "migrate" in name
            else {"trainyard-site"}
        )
    assert not [one for one in objects(road) if one["kind"] == "Secret"]


@pytest.mark.parametrize("road", ROADS)
def test_agents_have_the_time_that_a_drain_may_take(road):
    agents = [spec for spec in pods(road).values() if any("node" in one.get("args", []) for one in spec["containers"])]
    assert agents
    for spec in agents:
        assert spec["terminationGracePeriodSeconds"] > max(MAX_GRACE_SECONDS, DRAIN_SECONDS) + 10


@pytest.mark.parametrize("road", ROADS)
def test_what_pools_offer_is_what_their_agents_do_and_fits_the_quota(road):
    by = {f"{one['kind']} {one['metadata']['name']}": one for one in objects(road)}
    hard = by["ResourceQuota trainyard"]["spec"]["hard"]
    assert hard == {"requests.cpu": "16", "requests.memory": "32Gi", "requests.nvidia.com/gpu": "2", "pods": "50"}
    cpus = sum(
        cpu(one["resources"]["requests"]["cpu"]) * by.get(f"Deployment {name}", {"spec": {}})["spec"].get("replicas", 0)
        for name, one in containers(road)
        if not name.endswith(("-cpu", "-gpu"))
    )
    gpus = 0
    for pool in yaml.safe_load(by["ConfigMap trainyard-setup"]["data"]["setup.yaml"])["pools"]:
        made = by.get(f"PodTemplate {pool['name']}") or by[f"Deployment trainyard-{pool['name']}"]["spec"]
        (one,) = made["template"]["spec"]["containers"]
        assert {f"--cpus={pool['cpus']}", f"--memory-gb={pool['memory_gb']}"} <= set(one["args"])
        assert one["resources"]["requests"]["cpu"] == str(pool["cpus"])
        cpus += pool["max_nodes"] * pool["cpus"]
        gpus += pool["max_nodes"] * pool.get("gpus", 0)
    assert cpus <= 16
    assert gpus <= 2


def cpu(quantity: str) -> float:
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)


def test_priorities_are_1000_100_and_10_and_no_agent_puts_out_another():
    classes = {one["metadata"]["name"]: one for one in rendered("base") if one["kind"] == "PriorityClass"}
    assert {name: one["value"] for name, one in classes.items()} == {"trainyard-urgent": 1000, "trainyard-normal": 100, "trainyard-background": 10}  # fmt: skip
    assert {one.get("preemptionPolicy") for name, one in classes.items() if name != "trainyard-urgent"} == {"Never"}


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject", "TriggerAuthentication"])
def test_what_the_document_shows_is_what_is_shipped(kind):
    text = (source.ROOT / "docs/autoscaling.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    shown = [one for block in blocks for one in yaml.safe_load_all(block) if one["kind"] == kind]
    shipped = [
        one
        for path in (FOLDER / "overlays/hpa/hpa.yaml", FOLDER / "overlays/keda/keda.yaml")
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    assert shown
    assert all(one in shipped for one in shown)


def test_the_document_s_overlay_renders(tmp_path):
    text = (source.ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    (tmp_path / "mine").mkdir()
    base = os.path.relpath(FOLDER / "base", (tmp_path / "mine").resolve())
    shown = text.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "mine/kustomization.yaml").write_text(shown.replace("../trainyard/deploy/kubernetes/base", base))
    made = {
        f"{one['kind']} {one['metadata']['name']}": one for one in yaml.safe_load_all(rendered_text(tmp_path / "mine"))
    }
    assert made["ConfigMap trainyard-site"]["data"]["TRAINYARD_HTTPS"] == "yes"
    for name in ("PodTemplate cpu", "Job trainyard-migrate"):
        template = made[name].get("template") or made[name]["spec"]["template"]
        assert template["spec"]["containers"][0]["image"] == "registry.example.com/trainyard:0.1.0"


@pytest.mark.django_db
@pytest.mark.parametrize("road", ROADS)
def test_the_pools_that_it_sets_up_are_taken(road, tmp_path):
    (tmp_path / "setup.yaml").write_text(
        next(one for one in objects(road) if one["metadata"]["name"] == "trainyard-setup")["data"]["setup.yaml"]
    )
    call_command("apply", "-f", str(tmp_path / "setup.yaml"))
    actuator = "none" if {"hpa", "keda"} & set(road.replace("/", " ").split()) else "kubernetes"
    made = {pool.name: pool for pool in NodePool.objects.all()}
    assert {pool.actuator for pool in made.values()} == {actuator}
    if actuator == "kubernetes":
        assert {f"PodTemplate {name}" for name in made} <= {
            f"{one['kind']} {one['metadata']['name']}" for one in objects(road)
        }
