"""Pods as an actuator: made by name and once, of the operator's template, and never another's."""

import pytest

from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.autoscaler import Autoscaler
from local_stack.autoscaler.pods import POOL, KubernetesPods, Pod
from scheduling.errors import InvalidError
from tests import builders
from tests.local_stack.autoscaler.clusters import TEMPLATE, Namespace, agent
from workers.models import Node, NodePool


def pods(cluster: Namespace, **settings) -> KubernetesPods:
    return KubernetesPods(cluster, NodePool(name="p", actuator_settings=settings))


def test_only_pods_of_the_pool_with_names_of_its_own_are_its_members():
    cluster = Namespace(agent("p-1"), agent("p-2", going=True), agent("p-x"), agent("p-3", pool="q"), Pod("p-4"))
    assert pods(cluster).members() == {"p-1": False, "p-2": True}


def test_what_is_over_is_cleared_away_so_that_its_name_is_free():
    cluster = Namespace(agent("p-1", over=True), agent("p-2"))
    assert pods(cluster).members() == {"p-2": False}
    pods(cluster).up(["p-1"])
    assert pods(cluster).members() == {"p-1": False, "p-2": False}


def test_a_pod_is_what_the_template_says_also_what_nobody_here_knows():
    cluster = Namespace()
    pods(cluster).up(["p-1"])
    body = cluster.bodies["p-1"]
    assert body["spec"] == TEMPLATE["template"]["spec"]
    assert body["metadata"]["labels"] == {"app": "agent", POOL: "p"}
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("PodTemplate", "u-1", True)


def test_what_is_there_is_not_made_again():
    cluster = Namespace(agent("p-1"))
    pods(cluster).up(["p-1", "p-2"])
    assert list(cluster.bodies) == ["p-2"]


def test_a_name_that_is_another_s_is_told_and_not_touched():
    cluster = Namespace(Pod("p-1"))
    with pytest.raises(ActuatorError, match="There are pods p-1 that are none of the pool's"):
        pods(cluster).up(["p-1", "p-2"])
    assert (cluster.there["p-1"].going, "p-2" in cluster.there) == (False, True)


def test_one_that_is_refused_keeps_no_other_from_coming():
    cluster = Namespace()
    cluster.refused = {"p-1"}
    with pytest.raises(ActuatorError, match="p-1: exceeded quota"):
        pods(cluster).up(["p-1", "p-2"])
    assert list(cluster.there) == ["p-2"]


def test_a_template_that_is_not_there_is_named():
    with pytest.raises(ActuatorError, match="PodTemplate other"):
        pods(Namespace(), template="other").up(["p-1"])


@pytest.mark.parametrize(
    ("settings", "words"), [({"templat": "p"}, "There is no 'templat'"), ({"template": "P_1"}, "template must"), ({"template": 1}, "template must")]
)  # fmt: skip
def test_settings_that_say_something_else_are_refused(settings, words):
    with pytest.raises(InvalidError) as refused:
        pods(Namespace(), **settings)
    assert words in refused.value.errors[0].message


@pytest.mark.django_db
def test_an_autoscaler_without_a_cluster_says_how_to_start_it(tmp_path):
    row = pool_row()
    Autoscaler(tmp_path, None, lambda _: None, every_seconds=1).act(row)
    row.refresh_from_db()
    assert row.fault == "No Kubernetes: start `manage.py autoscaler --kubernetes NAMESPACE`."


@pytest.mark.django_db
def test_a_pool_grows_by_pods_and_shrinks_by_those_that_hold_no_job(tmp_path):
    cluster = Namespace()
    scaler = Autoscaler(tmp_path, None, lambda _: None, every_seconds=1, cluster=cluster)
    row = pool_row(desired_nodes=2)
    scaler.act(row)
    nodes = [builders.node(name=name, labels={"pool": "p"}) for name in ("p-1", "p-2")]
    builders.running_job(node=nodes[0])
    row.desired_nodes, row.idle_nodes = 0, ["p-2"]
    scaler.act(row)
    assert {name: pod.going for name, pod in cluster.there.items()} == {"p-1": False, "p-2": True}
    assert Node.objects.get(name="p-2").cordoned


def pool_row(**fields) -> NodePool:
    return NodePool.objects.create(
        **{"name": "p", "cpus": 1, "memory_mb": 1, "actuator": "kubernetes", "desired_nodes": 1, **fields}
    )
