"""Strategies that place a batch of jobs together."""

from itertools import permutations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement import STRATEGIES, strategy
from scheduling.placement.genetic import Genetic, Search
from scheduling.placement.min_cost import assign
from scheduling.resources import Request
from tests.scheduling.builders import cpu_node, gpu_node
from tests.scheduling.fleets import fleets, gangs

few = settings(max_examples=8, deadline=None)
every_strategy = pytest.mark.parametrize("placing", STRATEGIES.values(), ids=STRATEGIES)


@every_strategy
@few
@given(st.lists(gangs, max_size=8), fleets)
def test_a_batch_fits_together_and_leaves_no_place_for_a_job_that_got_none(placing, requests, fleet):
    left = fleet.free.copy()
    places = placing.place_all(requests, fleet.free, closed=fleet.closed)
    limits = type(fleet)(left, (), {}, fleet.closed)

    assert len(places) == len(requests)
    for request, shares in zip(requests, places, strict=True):
        assert shares is None or len({one.node for one in shares}) == request.nodes
        for one in shares or ():
            assert limits.has_place(request, left[one.node])
            assert set(one.gpu_indices) <= limits.usable_gpus(request, left[one.node])
            left.allocate(one, holder=0)
    for request, shares in zip(requests, places, strict=True):
        assert shares is not None or sum(limits.has_place(request, node) for node in left.nodes) < request.nodes


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_an_assignment_costs_no_more_than_any_other(rows, columns, seed):
    costs = np.random.default_rng(seed).integers(0, 9, (rows, columns)).astype(float)
    wide = costs if rows <= columns else costs.T

    chosen = [(row, column) for row, column in enumerate(assign(costs)) if column is not None]

    cheapest = min(
        sum(wide[row, column] for row, column in enumerate(one))
        for one in permutations(range(max(rows, columns)), min(rows, columns))
    )
    assert len({column for _, column in chosen}) == len(chosen) == min(rows, columns)
    assert sum(costs[row, column] for row, column in chosen) == cheapest


def test_min_cost_gives_the_only_fitting_node_to_the_job_that_needs_it():
    """One after the other, the first job would take the SSD node, and the second have none."""
    free = FreeNodes([cpu_node("a", cpus=4, labels={"disk": "ssd"}), cpu_node("b", cpus=8)])
    batch = [Request(cpus=4), Request(cpus=4, labels=(("disk", "ssd"),))]

    assert [one and one[0].node for one in strategy("best_fit").place_all(batch, free)] == ["a", None]
    assert [one and one[0].node for one in strategy("min_cost").place_all(batch, free)] == ["b", "a"]


def test_the_genetic_search_finds_an_order_that_places_more():
    free = FreeNodes([gpu_node("a", 4), gpu_node("b", 4)])
    batch = [Request(gpus=2), Request(gpus=2), Request(gpus=3), Request(gpus=1), Request(gpus=4), Request(gpus=4)]

    def given_away(places):
        return sum(share.amount.gpus for shares in places for share in shares or ())

    assert given_away(strategy("genetic").place_all([Request(gpus=1), *[Request(gpus=4)] * 2], free)) == 8
    assert given_away(strategy("genetic").place_all(batch, free)) == 8
    assert given_away(strategy("best_fit").place_all([Request(gpus=1), *[Request(gpus=4)] * 2], free)) == 5


@few
@given(st.lists(gangs, max_size=6), fleets, st.integers(0, 3))
def test_the_genetic_search_repeats_itself_and_is_never_worse_than_placing_in_turn(requests, fleet, seed):
    searching = Genetic(Search(population=6, generations=4, seed=seed))

    def given_away(places):
        return sum(share.amount.all_gpu_milli for shares in places for share in shares or ())

    places = searching.place_all(requests, fleet.free)

    assert places == searching.place_all(requests, fleet.free)
    assert given_away(places) >= given_away(strategy("best_fit").place_all(requests, fleet.free))
