"""The bridge's account as the manifests make it: with these rights the engine does all that it does, and it has no others."""

import base64
import re

import pytest
import yaml

from executors.engine import Phase
from executors.kubernetes.engine import connect
from tests.deploy.api_server import rendered
from tests.executors.kubernetes.conftest import seen, workload
from tests.waiting import wait_for

NEEDED = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
NAMESPACED = {
    "jobs.batch": {"create", "list", "watch", "patch", "delete"},
    "pods": {"list", "watch", "patch", "delete"},
    "pods/log": {"get"},
    "services": {"create", "delete"},
    "events": {"list"},
    "nodes": {"list"},
}


@pytest.fixture
def account(server, namespace):
    """The name of it, made in a namespace of the test's own."""
    wanted = [
        one for one in rendered("overlays/bridge") if one["kind"] in NEEDED and "bridge" in one["metadata"]["name"]
    ]
    text = yaml.safe_dump_all(wanted).replace("namespace: trainyard\n", f"namespace: {namespace}\n")
    text = text.replace("name: trainyard-bridge\n", f"name: bridge-{namespace}\n")
    server.kubectl("apply", "-f", "-", text=text)
    yield f"bridge-{namespace}"
    server.kubectl("delete", "clusterrole,clusterrolebinding", f"bridge-{namespace}", check=False)


def test_with_its_rights_the_engine_does_all_that_it_does(server, namespace, kubelet, account):
    def token() -> str:
        for one in server.ask("get", "secrets", "-n", namespace)["items"]:
            if one["metadata"].get("annotations", {}).get("kubernetes.io/service-account.name") == account:
                return base64.b64decode(one.get("data", {}).get("token", "")).decode()
        return ""

    kubeconfig = server.kubeconfig(wait_for(token, 30, "the account's token"))
    engine = connect("there", {"kubeconfig": str(kubeconfig), "namespace": namespace, "room_patience": "1"})
    assert [node.name for node in engine.nodes()] == [f"{namespace}-a"]
    gang = workload(namespace, "sh", "-c", "echo ready; exec sleep 60", members=2)
    engine.start(gang)
    seen(engine, gang.name, Phase.RUNNING)
    wait_for(lambda: engine.read_log(gang.name, 0, 0).data == b"ready\n", 20, "its log")
    engine.stop(gang.name, 0)
    assert seen(engine, gang.name, Phase.ENDED).stop_asked
    engine.forget(gang.name)
    server.kubectl("create", "quota", "small", "--hard=requests.cpu=1", "-n", namespace)
    wait_for(lambda: "hard" in server.ask("get", "quota", "small", "-n", namespace)["status"], 30, "the quota")
    large = workload(namespace, "true", cpus=2)
    engine.start(large)
    assert "exceeded quota" in seen(engine, large.name, Phase.ENDED).message
    engine.close()


def test_it_has_no_other_rights(server, namespace, account):
    for where, expected in ((namespace, NAMESPACED), ("default", {"nodes": {"list"}, "pods": {"list"}})):
        who = f"--as=system:serviceaccount:{namespace}:{account}"
        lines = server.kubectl("auth", "can-i", "--list", who, "-n", where).splitlines()
        found: dict[str, set[str]] = {}
        for resource, verbs in ((line.split()[0], re.findall(r"\w+", line[line.rindex("[") :])) for line in lines[1:]):
            if not resource.startswith(("selfsubject", "[")):
                found.setdefault(resource, set()).update(verbs)
        assert found == expected
