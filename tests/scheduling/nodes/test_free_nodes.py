"""The working copy of what is free."""

import pytest
from hypothesis import given, settings

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.resources import ZERO, Resources
from tests.scheduling.builders import cpu_node, gpu_node, running, share, snapshot
from tests.scheduling.fleets import fleets


def test_what_runs_is_taken_from_its_node():
    world = snapshot(running=(running(7, share("gpu-1", cpus=4, memory_mb=1024, gpu_indices=(0, 3))),))

    node = FreeNodes.of(world)["gpu-1"]

    assert node.amount == Resources(60, 523_264, 6)
    assert [gpu.index for gpu in node.gpus] == [1, 2, 4, 5, 6, 7]
    assert node.holders == [7]


def test_taking_a_share_leaves_less_and_names_the_holder():
    free = FreeNodes([gpu_node()])

    free.allocate(share("gpu-1", cpus=4, gpu_indices=(0,)), holder=7)
    free.allocate(share("gpu-1", cpus=4, gpu_indices=(1,)), holder=8)

    assert free["gpu-1"].amount == Resources(56, 524_288, 6)
    assert free["gpu-1"].holders == [7, 8]


def test_a_node_that_came_back_smaller_than_what_runs_on_it_has_nothing_free():
    held = running(7, share("gpu-1", cpus=100, memory_mb=10**6, gpu_indices=tuple(range(20))))

    assert FreeNodes([gpu_node(number=2)], [held])["gpu-1"].amount == ZERO


@pytest.mark.parametrize("node", [cpu_node("gone", state="down"), cpu_node("gone", alive=False)])
def test_a_node_that_takes_no_jobs_offers_nothing_though_jobs_still_run_on_it(node):
    free = FreeNodes([node], [running(7, share("gone")), running(8, share("never-seen"))])

    assert free.nodes == []


def test_shelves_stay_sorted_from_the_fullest_node():
    free = FreeNodes([cpu_node(f"cpu-{number}") for number in (1, 2, 3)])

    free.allocate(share("cpu-2", cpus=5), holder=1)
    free.allocate(share("cpu-3", cpus=9), holder=2)

    (shelf,) = free.shelves.values()
    assert [free.nodes[entry[-1]].view.name for entry in shelf] == ["cpu-3", "cpu-2", "cpu-1"]


def test_what_is_given_back_of_a_node_that_lies_is_free_only_once_it_has_so_much():
    held = [running(7, share("a", cpus=10)), running(8, share("a", cpus=10))]
    free = FreeNodes([cpu_node("a", cpus=12)], held)

    free.release(share("a", cpus=10), holder=7)

    assert free["a"].cpus == 2


def test_a_gpu_that_two_jobs_claim_to_hold_is_free_when_both_are_gone():
    lie = share("gpu-1", gpu_indices=(0,))
    free = FreeNodes([gpu_node(number=1)], [running(7, lie), running(8, lie)])

    free.release(lie, holder=7)
    assert free["gpu-1"].amount.gpus == 0
    free.release(lie, holder=8)
    assert free["gpu-1"].amount.gpus == 1


def test_a_share_of_a_node_that_takes_no_jobs_gives_nothing_back():
    free = FreeNodes([cpu_node("gone", state="down"), cpu_node("a")], [running(7, share("gone"))])

    free.release(share("gone"), holder=7)

    assert [node.view.name for node in free.nodes] == ["a"]


@settings(max_examples=60)
@given(fleets)
def test_giving_undoes_taking_in_any_order_and_a_copy_sees_none_of_it(fleet):
    whole = FreeNodes([node.view for node in fleet.free.nodes])
    copy = fleet.free.copy()
    before = picture(copy)

    for holder, one in fleet.taken:
        fleet.free.release(one, holder=holder)

    assert picture(fleet.free) == picture(whole)
    assert picture(copy) == before


def picture(free):
    return ([(node.amount, list(node.gpus), node.holders, node.held) for node in free.nodes], free.shelves)
