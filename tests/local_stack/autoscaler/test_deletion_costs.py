"""What stands on pods for those who choose among them: the emptiest first, and nothing written that stands there already."""

import pytest
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import Placement
from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.autoscaler import Autoscaler
from local_stack.autoscaler.deletion_costs import BUSY, COST, deletion_cost, keep_current
from tests import builders
from tests.local_stack.autoscaler.clusters import Namespace, agent
from workers.models import Node

PRIORITIES = st.lists(st.integers(0, 100), max_size=500)


@given(PRIORITIES, PRIORITIES)
def test_fewer_jobs_always_go_first_and_of_as_many_the_less_urgent(some, others):
    if len(some) != len(others):
        assert (deletion_cost(some) < deletion_cost(others)) == (len(some) < len(others))
    elif some:
        assert (deletion_cost(some) < deletion_cost(others)) == (max(some) < max(others))
    assert deletion_cost([]) == 0
    assert deletion_cost(some) < 2**31  # what Kubernetes takes


@pytest.mark.django_db
def test_what_is_held_is_written_on_the_pod_once_and_taken_back_when_it_is_over():
    node = builders.node(name="cpu-abc")
    builders.running_job(node=node, priority=70)
    cluster = Namespace(agent("cpu-abc"), agent("cpu-new"), agent("cpu-going", going=True))
    assert keep_current(cluster) == 2
    assert dict(cluster.patched) == {
        "cpu-abc": {"annotations": {COST: "1070"}, "labels": {BUSY: "true"}},
        "cpu-new": {"annotations": {COST: "0"}, "labels": {BUSY: "false"}},
    }
    assert keep_current(cluster) == 0
    Placement.objects.update(closed_at=Now(), state="closed")
    assert keep_current(cluster) == 1
    assert cluster.patched[-1] == ("cpu-abc", {"annotations": {COST: "0"}, "labels": {BUSY: "false"}})


@pytest.mark.django_db
def test_a_cluster_that_does_not_answer_is_told_once_and_keeps_no_pool_waiting(tmp_path, monkeypatch):
    said: list[str] = []
    cluster = Namespace()
    scaler = Autoscaler(tmp_path, None, said.append, every_seconds=1, cluster=cluster)
    monkeypatch.setattr(cluster, "pods", refuse)
    scaler.look()
    scaler.look()
    monkeypatch.undo()
    scaler.look()
    assert said == [
        "what it would cost to end each pod: Kubernetes does not answer.",
        "what it would cost to end each pod: is written on them again.",
    ]
    assert not Node.objects.exists()


def refuse(_selector):
    raise ActuatorError("Kubernetes does not answer.")
