"""Pools as pods of a real API server, as whom the manifests make of the autoscaler: with its rights, in the quota, made once."""

import base64
import json
import re
import threading
from functools import partial
from itertools import count

import pytest
import yaml

from jobs.control import pools
from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.autoscaler import Autoscaler
from local_stack.autoscaler.cluster import ApiCluster
from local_stack.autoscaler.deletion_costs import BUSY, COST, keep_current
from local_stack.autoscaler.pods import POOL, KubernetesPods
from tests import builders
from tests.deploy.api_server import ApiServer, rendered
from tests.waiting import wait_for
from workers.models import Node, NodePool

NUMBERS = count(1)
NEEDED = {"ServiceAccount", "Role", "RoleBinding", "PodTemplate", "ResourceQuota", "LimitRange", "PriorityClass"}


@pytest.fixture
def namespace(kubernetes: ApiServer) -> str:
    """What the base has of rights, templates and quotas, in a namespace of the test's own."""
    name = f"yard-{next(NUMBERS)}"
    kubernetes.kubectl("create", "namespace", name)
    wanted = yaml.safe_dump_all(one for one in rendered("base") if one["kind"] in NEEDED)
    kubernetes.kubectl("apply", "-f", "-", text=wanted.replace("namespace: trainyard\n", f"namespace: {name}\n"))
    wait_for(lambda: "hard" in kubernetes.ask("get", "quota", "trainyard", "-n", name)["status"], 30, "the quota")
    return name


@pytest.fixture
def cluster(kubernetes: ApiServer, namespace: str, monkeypatch) -> ApiCluster:
    """As the autoscaler's own account."""
    secrets = partial(kubernetes.ask, "get", "secrets", "-n", namespace)
    account = "kubernetes.io/service-account.name"

    def token() -> str:
        of = {one["metadata"].get("annotations", {}).get(account): one.get("data", {}) for one in secrets()["items"]}
        return base64.b64decode(of.get("trainyard-autoscaler", {}).get("token", "")).decode()

    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig(wait_for(token, 30, "the account's token"), namespace)))
    return ApiCluster(namespace)


def pool(**fields) -> NodePool:
    return NodePool(**{"name": "cpu", "cpus": 2, "memory_mb": 3500, "max_nodes": 9, "actuator": "kubernetes", **fields})


def names(kubernetes: ApiServer, namespace: str) -> list[str]:
    return [one["metadata"]["name"] for one in kubernetes.ask("get", "pods", "-n", namespace)["items"]]


def test_two_that_ask_at_once_make_each_pod_once(kubernetes, namespace, cluster):
    asking = [threading.Thread(target=KubernetesPods(cluster, pool()).up, args=(["cpu-1", "cpu-2"],)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert names(kubernetes, namespace) == ["cpu-1", "cpu-2"]
    pod = kubernetes.ask("get", "pod", "cpu-1", "-n", namespace)
    assert pod["metadata"]["labels"][POOL] == "cpu"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 1860
    assert KubernetesPods(cluster, pool()).members() == {"cpu-1": False, "cpu-2": False}


def test_they_go_by_name_and_what_is_gone_already_is_no_fault(kubernetes, namespace, cluster):
    pods = KubernetesPods(cluster, pool())
    pods.up(["cpu-1", "cpu-2"])
    pods.down(["cpu-2", "cpu-7"])
    assert pods.members() == {"cpu-1": False}, "nobody runs it, so it goes at once"


def test_one_that_still_works_off_its_time_is_a_member_that_goes(kubernetes, namespace, cluster):
    pods = KubernetesPods(cluster, pool())
    pods.up(["cpu-1"])
    run(kubernetes, namespace, "cpu-1")
    pods.down(["cpu-1"])
    assert pods.members() == {"cpu-1": True}
    pods.up(["cpu-1"])
    assert pods.members() == {"cpu-1": True}


def test_an_evicted_one_makes_room_for_another_of_its_name(kubernetes, namespace, cluster):
    pods = KubernetesPods(cluster, pool())
    pods.up(["cpu-1"])
    first = kubernetes.ask("get", "pod", "cpu-1", "-n", namespace)["metadata"]["uid"]
    run(kubernetes, namespace, "cpu-1", phase="Failed")
    assert pods.members() == {}
    pods.up(["cpu-1"])
    assert kubernetes.ask("get", "pod", "cpu-1", "-n", namespace)["metadata"]["uid"] != first


def test_a_quota_that_is_used_up_is_told_in_its_own_words_and_the_rest_is_made(kubernetes, namespace, cluster):
    with pytest.raises(
        ActuatorError, match=r'Kubernetes does not make gpu-3: pods "gpu-3" is forbidden: exceeded quota'
    ):
        KubernetesPods(cluster, pool(name="gpu")).up(["gpu-1", "gpu-2", "gpu-3"])
    assert names(kubernetes, namespace) == ["gpu-1", "gpu-2"], "the quota has two GPUs"


def test_with_its_template_its_pods_go(kubernetes, namespace, cluster):
    KubernetesPods(cluster, pool()).up(["cpu-1"])
    kubernetes.kubectl("delete", "podtemplate", "cpu", "-n", namespace)
    wait_for(lambda: not names(kubernetes, namespace), 60, "the garbage collector")
    with pytest.raises(ActuatorError, match='PodTemplate cpu: podtemplates "cpu" not found'):
        KubernetesPods(cluster, pool()).up(["cpu-1"])


@pytest.mark.django_db
def test_what_is_held_stands_on_the_pods_and_keeps_evictions_off(kubernetes, namespace, cluster):
    KubernetesPods(cluster, pool()).up(["cpu-1", "cpu-2"])
    builders.running_job(node=builders.node(name="cpu-1", labels={"pool": "cpu"}), priority=40)
    assert keep_current(cluster) == 2
    assert keep_current(cluster) == 0
    pod = kubernetes.ask("get", "pod", "cpu-1", "-n", namespace)["metadata"]
    assert (pod["annotations"][COST], pod["labels"][BUSY]) == ("1040", "true")
    budget = next(one for one in rendered("base") if one["metadata"]["name"] == "trainyard-busy-agents")
    budget = {**budget, "apiVersion": "policy/v1beta1", "metadata": {"name": "busy", "namespace": namespace}}
    kubernetes.kubectl("apply", "-f", "-", text=yaml.safe_dump(budget))
    for name in ("cpu-1", "cpu-2"):
        run(kubernetes, namespace, name)
    wait_for(
        lambda: "currentHealthy" in kubernetes.ask("get", "pdb", "busy", "-n", namespace)["status"], 30, "the budget"
    )
    assert "violate the pod's disruption budget" in evict(kubernetes, namespace, "cpu-1")
    evict(kubernetes, namespace, "cpu-2")
    gone = partial(kubernetes.ask, "get", "pod", "cpu-2", "-n", namespace)
    assert "deletionTimestamp" in gone()["metadata"]


@pytest.mark.django_db
def test_the_whole_way_a_pool_grows_and_shrinks_by_those_that_are_idle(kubernetes, namespace, cluster, tmp_path):
    row = pools.create({"name": "cpu", "cpus": 2, "memory_mb": 3500, "max_nodes": 3, "actuator": "kubernetes"})
    scaler = Autoscaler(tmp_path, None, lambda _: None, every_seconds=1, cluster=cluster)
    row.desired_nodes = 3
    scaler.act(row)
    Autoscaler(tmp_path, None, lambda _: None, every_seconds=1, cluster=cluster).act(row)
    assert names(kubernetes, namespace) == ["cpu-1", "cpu-2", "cpu-3"]
    for name in ("cpu-1", "cpu-2", "cpu-3"):
        builders.node(name=name, labels={"pool": "cpu"})
    builders.running_job(node=Node.objects.get(name="cpu-2"))
    row.desired_nodes, row.idle_nodes = 0, ["cpu-1", "cpu-3"]
    scaler.act(row)
    row.refresh_from_db()
    assert (names(kubernetes, namespace), row.fault) == (["cpu-2"], "")


def test_it_may_do_what_it_does_and_nothing_else(kubernetes, namespace):
    who = f"--as=system:serviceaccount:{namespace}:trainyard-autoscaler"
    for where, expected in (
        (namespace, {"pods": {"get", "list", "patch", "create", "delete"}, "podtemplates": {"get"}}),
        ("default", {}),
    ):
        lines = kubernetes.kubectl("auth", "can-i", "--list", who, "-n", where).splitlines()
        found: dict[str, set[str]] = {}
        for resource, verbs in ((line.split()[0], re.findall(r"\w+", line[line.rindex("[") :])) for line in lines[1:]):
            if not resource.startswith(("selfsubject", "[")):
                found.setdefault(resource, set()).update(verbs)
        assert found == expected


def run(kubernetes: ApiServer, namespace: str, name: str, phase: str = "Running") -> None:
    """As if a machine had it: bound to one, and with a word of how it is."""
    place = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": "n"}}
    base = f"/api/v1/namespaces/{namespace}/pods/{name}"
    kubernetes.kubectl("create", "--raw", f"{base}/binding", "-f", "-", text=json.dumps(place))
    ready = [{"type": "Ready", "status": "True"}]
    kubernetes.kubectl(
        "patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": {"phase": phase, "conditions": ready}}),
    )  # fmt: skip


def evict(kubernetes: ApiServer, namespace: str, name: str) -> str:
    asked = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    return kubernetes.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(asked), check=False)
