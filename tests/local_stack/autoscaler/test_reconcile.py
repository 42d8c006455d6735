"""What is done about a pool's difference, with an actuator that only notes what it is asked; killed after any step, nothing is left over."""

from collections.abc import Sequence

import pytest
from django.utils import timezone

from jobs.control import pool_draining
from jobs.models import Job, Placement
from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.reconcile import Changes, reconcile
from tests import builders
from workers.models import Node, NodePool

pytestmark = pytest.mark.django_db


class Noted:
    """Nodes that come when they are asked to, and go when they are asked to."""

    def __init__(self, *names: str) -> None:
        self.there = dict.fromkeys(names, False)
        self.waits: list[str] = []  # for room to come into
        self.broken = False

    def members(self) -> dict[str, bool]:
        return dict(self.there)

    def up(self, names: Sequence[str]) -> None:
        self._may_break()
        assert not self.there.keys() & set(names), "nobody asks for what is there"
        self.there |= dict.fromkeys(names, False)

    def down(self, names: Sequence[str]) -> None:
        self._may_break()
        self.there |= dict.fromkeys(names, True)

    def withdraw(self, most: int) -> list[str]:
        taken, self.waits = self.waits[:most], self.waits[most:]
        for name in taken:
            del self.there[name]
        return taken

    def _may_break(self) -> None:
        if self.broken:
            raise ActuatorError("broken")


def pool(desired: int, idle: Sequence[str] = (), **fields) -> NodePool:
    given = {"name": "p", "cpus": 1, "memory_mb": 1024, "desired_nodes": desired, "idle_nodes": list(idle), **fields}
    return NodePool.objects.create(**given)


def node(name: str, **fields) -> Node:
    return builders.node(name=name, labels={"pool": "p"}, **fields)


def cordoned(name: str) -> bool:
    return Node.objects.get(name=name).cordoned


def test_what_is_missing_comes_by_the_lowest_names_that_are_free():
    node("p-2")
    node("p-3", state="down")
    builders.node(name="p-4")  # no node of the pool, but an agent speaks for that name
    actuator = Noted("p-2")
    assert reconcile(pool(4), actuator) == Changes(up=("p-1", "p-3", "p-5"))
    assert not reconcile(NodePool.objects.get(), actuator)


def test_only_idle_nodes_go_and_each_is_drained_before():
    node("p-1")
    busy = node("p-2")
    builders.running_job(node=busy)
    node("p-3")
    actuator = Noted("p-1", "p-2", "p-3")
    assert reconcile(pool(1, ["p-1", "p-2", "p-3"]), actuator) == Changes(down=("p-1", "p-3"))
    assert (cordoned("p-1"), cordoned("p-2"), cordoned("p-3")) == (True, False, True)
    assert not reconcile(NodePool.objects.get(), actuator), "those that are going are left alone"


def test_who_only_waits_to_come_is_taken_back_before_anybody_goes():
    node("p-1")
    actuator = Noted("p-1", "p-2", "p-3")
    actuator.waits = ["p-3", "p-2"]
    assert reconcile(pool(2, ["p-1"]), actuator) == Changes(down=("p-3",))
    NodePool.objects.update(desired_nodes=0)
    assert reconcile(NodePool.objects.get(), actuator) == Changes(down=("p-2", "p-1"))


def test_no_more_go_than_are_too_many_and_none_that_the_decision_does_not_name():
    for name in ("p-1", "p-2", "p-3"):
        node(name)
    assert reconcile(pool(1, ["p-3"]), Noted("p-1", "p-2", "p-3")) == Changes(down=("p-3",))


def test_a_drained_node_that_has_not_gone_stays_when_it_is_wanted_again():
    node("p-1")
    wanted = pool(0, ["p-1"])
    actuator = Noted("p-1")
    actuator.broken = True
    with pytest.raises(ActuatorError):
        reconcile(wanted, actuator)
    assert cordoned("p-1"), "as if killed after the drain"
    actuator.broken, wanted.desired_nodes = False, 2
    assert reconcile(wanted, actuator) == Changes(up=("p-2",), kept=("p-1",))
    assert not cordoned("p-1")


def test_a_drained_node_goes_after_the_restart_when_it_is_still_too_many():
    pool_draining.drain_idle([node("p-1").name], 1)
    assert reconcile(pool(0), Noted("p-1")) == Changes(down=("p-1",))


def test_a_node_that_got_a_job_in_between_is_kept():
    late = node("p-1")
    pool_draining.drain_idle(["p-1"], 1)
    builders.running_job(node=late)
    assert reconcile(pool(0), Noted("p-1")) == Changes(kept=("p-1",))
    assert not cordoned("p-1")


def test_what_an_operator_has_drained_is_replaced_and_left_alone():
    node("p-1", state="draining", cordoned=True, drain_reason="a fan is loud")
    assert reconcile(pool(1, max_nodes=2), Noted("p-1")) == Changes(up=("p-2",))
    assert cordoned("p-1")


def test_there_are_never_more_than_the_most_however_many_are_broken():
    for name in ("p-1", "p-2"):
        node(name, state="draining", cordoned=True, drain_reason="suspected")
    assert reconcile(pool(2, max_nodes=3), Noted("p-1", "p-2")) == Changes(up=("p-3",))


def test_the_row_of_a_node_that_has_gone_is_shown_no_more():
    node("p-1", state="down", cordoned=True, drain_reason=pool_draining.SCALED_DOWN)
    node("p-2", state="down", cordoned=True, drain_reason="an operator's word")
    reconcile(pool(0), Noted())
    assert list(Node.objects.filter(removed_at__isnull=True).values_list("name", flat=True)) == ["p-2"]


def emptying(*nodes: Node) -> list[int]:
    """A pool of these nodes, each with a job that saves its work; the decision is to empty the first."""
    jobs = [builders.running_job(node=one, checkpointable=True).pk for one in nodes]
    pool(len(nodes), emptying={"node": nodes[0].name, "jobs": jobs[:1], "gain": 9, "cost": 1}, consolidate=True)
    return jobs


def test_the_node_to_be_emptied_is_drained_its_jobs_move_and_it_goes_when_they_have_left():
    going, staying = node("p-1"), node("p-2")
    moved, other = emptying(going, staying)
    actuator = Noted("p-1", "p-2")
    assert reconcile(NodePool.objects.get(), actuator) == Changes(emptied=("p-1",))
    assert (NodePool.objects.get().desired_nodes, cordoned("p-1"), cordoned("p-2")) == (1, True, False)
    assert dict(Job.objects.values_list("pk", "desired")) == {moved: "preempt", other: ""}
    assert not reconcile(NodePool.objects.get(), actuator), "its job is on its way"
    Placement.objects.filter(node=going).update(state="closed", closed_at=timezone.now())
    assert reconcile(NodePool.objects.get(), actuator) == Changes(down=("p-1",))


@pytest.mark.parametrize("late", [True, False])
def test_nobody_moves_when_another_job_has_come_or_the_one_has_gone(late):
    going, staying = node("p-1"), node("p-2")
    emptying(going, staying)
    if late:
        builders.running_job(node=going)
    else:
        Placement.objects.filter(node=going).update(state="closed", closed_at=timezone.now())
    assert not reconcile(NodePool.objects.get(), Noted("p-1", "p-2"))
    assert not cordoned("p-1")
    assert not Job.objects.exclude(desired="").exists()


def test_nobody_moves_while_nodes_are_missing_or_too_many():
    going, staying = node("p-1"), node("p-2")
    emptying(going, staying)
    for desired in (1, 3):
        NodePool.objects.update(desired_nodes=desired)
        reconcile(NodePool.objects.get(), Noted("p-1", "p-2"))
        assert not cordoned("p-1")


def test_a_node_that_was_emptied_stays_when_it_is_wanted_again_before_it_has_gone():
    going, staying = node("p-1"), node("p-2")
    emptying(going, staying)
    reconcile(NodePool.objects.get(), Noted("p-1", "p-2"))
    Placement.objects.filter(node=going).update(state="closed", closed_at=timezone.now())
    NodePool.objects.update(desired_nodes=2)
    assert reconcile(NodePool.objects.get(), Noted("p-1", "p-2")) == Changes(kept=("p-1",))
