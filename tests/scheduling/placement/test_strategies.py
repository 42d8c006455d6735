"""What every placement strategy keeps to, whatever it prefers."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.errors import InvalidError
from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement import STRATEGIES, strategy
from scheduling.resources import Request, Resources
from scheduling.snapshot import Allocation
from tests.scheduling.builders import cpu_node, gpu_node, running, share
from tests.scheduling.fleets import fleets, gangs

few = settings(max_examples=20)
every_strategy = pytest.mark.parametrize("placing", STRATEGIES.values(), ids=STRATEGIES)


def place(placing, request, fleet):
    return placing.place(request, fleet.free, ceiling=fleet.ceiling, closed=fleet.closed)


@every_strategy
@few
@given(gangs, fleets)
def test_a_place_is_found_whenever_there_is_one(placing, request, fleet):
    able = [node for node in fleet.free.nodes if fleet.has_place(request, node)]

    assert (place(placing, request, fleet) is not None) == (len(able) >= request.nodes)


@every_strategy
@few
@given(gangs, fleets)
def test_each_share_is_what_was_asked_for_on_a_node_of_its_own_that_has_a_place_for_it(placing, request, fleet):
    before = picture(fleet.free)
    shares = place(placing, request, fleet) or ()

    assert shares == (place(placing, request, fleet) or ())
    assert picture(fleet.free) == before
    assert len({one.node for one in shares}) == len(shares)
    assert [one.rank for one in shares] == list(range(len(shares)))
    for one in shares:
        node = fleet.free[one.node]
        assert one.amount == request.amount
        assert fleet.has_place(request, node)
        assert len(set(one.gpu_indices)) == len(one.gpu_indices) == request.gpus
        assert set(one.gpu_indices) <= fleet.usable_gpus(request, node)


def picture(free):
    return [(node.amount, list(node.gpus), list(node.holders)) for node in free.nodes]


@every_strategy
@few
@given(st.lists(gangs, max_size=8), fleets)
def test_whatever_is_placed_one_after_the_other_no_node_and_no_gpu_gives_more_than_it_has(placing, requests, fleet):
    for holder, request in enumerate(requests, 100):
        for one in place(placing, request, fleet) or ():
            fleet.free.allocate(one, holder=holder)

    for node in fleet.free.nodes:
        assert node._cpus >= 0
        assert node._memory_mb >= 0
        assert all(milli <= 1000 for milli in node.held.values())


@every_strategy
@few
@given(gangs, fleets)
def test_placing_takes_nothing_and_says_the_same_again(placing, request, fleet):
    before = [(node.amount, list(node.gpus), list(node.holders)) for node in fleet.free.nodes]

    assert place(placing, request, fleet) == place(placing, request, fleet)
    assert [(node.amount, list(node.gpus), list(node.holders)) for node in fleet.free.nodes] == before


@every_strategy
def test_a_gang_is_placed_whole_or_not_at_all(placing):
    free = FreeNodes([gpu_node("a"), gpu_node("b"), gpu_node("c", 2)])

    assert len(placing.place(Request(gpus=8, nodes=2), free)) == 2
    assert placing.place(Request(gpus=8, nodes=3), free) is None
    assert len(placing.place(Request(gpus=2, nodes=3), free)) == 3


@every_strategy
def test_under_a_ceiling_a_job_gets_gpus_that_are_free_in_both(placing):
    free = FreeNodes([gpu_node("a", 4)], [running(1, share("a", gpu_indices=(0,)))])
    kept = FreeNodes([gpu_node("a", 4)], [running(2, share("a", gpu_indices=(1, 2)))])

    (found,) = placing.place(Request(gpus=1), free, ceiling={0: kept.nodes[0]})

    assert found.gpu_indices == (3,)
    assert placing.place(Request(gpus=2), free, ceiling={0: kept.nodes[0]}) is None


@every_strategy
def test_a_closed_node_is_not_used(placing):
    free = FreeNodes([cpu_node("a"), cpu_node("b")])

    assert placing.place(Request(), free, closed=frozenset({"a"}))[0].node == "b"
    assert placing.place(Request(), free, closed=frozenset({"a", "b"})) is None


@every_strategy
def test_only_nodes_with_the_labels_that_are_asked_for_are_used(placing):
    free = FreeNodes(
        [cpu_node("a", labels={"zone": "b"}), cpu_node("b"), cpu_node("c", labels={"zone": "a", "x": "y"})]
    )

    assert placing.place(Request(labels=(("zone", "a"),)), free)[0].node == "c"
    assert placing.place(Request(labels=(("zone", "a"), ("x", "z"))), free) is None


@every_strategy
def test_two_jobs_share_a_gpu_if_it_has_enough_for_both(placing):
    free = FreeNodes([gpu_node("a", 1)])
    (first,) = placing.place(Request(gpus=1, gpu_milli=600), free)
    free.allocate(first, holder=1)

    assert first.amount.gpu_milli == 600
    assert placing.place(Request(gpus=1, gpu_milli=500), free) is None
    assert placing.place(Request(gpus=1), free) is None
    assert placing.place(Request(gpus=1, gpu_milli=400), free)[0].gpu_indices == (0,)


@every_strategy
def test_two_halves_of_gpus_are_not_a_whole_one(placing):
    free = FreeNodes([gpu_node("a", 2)])
    for index in (0, 1):
        free.allocate(Allocation("a", Resources(gpu_milli=500), (index,)), holder=index)

    assert placing.place(Request(gpus=1), free) is None
    assert placing.place(Request(gpus=1, gpu_milli=501), free) is None
    assert placing.place(Request(gpus=1, gpu_milli=500), free) is not None


def test_an_unknown_strategy_is_refused_with_the_names_there_are():
    with pytest.raises(InvalidError, match=r"placement: There is no strategy 'magic'\. Known are: .*best_fit"):
        strategy("magic")
