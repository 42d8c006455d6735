"""Batches of jobs placed together, as `benchmarks/batch_placement.py` measures them."""

from itertools import permutations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from benchmarks.batch_placement import by_genetic, in_turn_by_best_fit, scored
from benchmarks.batches.min_cost import assign
from scheduling.nodes.free_nodes import FreeNodes
from scheduling.resources import Request
from scheduling.speeds import Speeds
from tests.scheduling.builders import cpu_node, gpu_node, waiting

SCORED = scored(Speeds())


@settings(max_examples=25)
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


def placed(way, free, *requests):
    jobs = [waiting(number, request=request) for number, request in enumerate(requests)]
    found = way(jobs, free)
    return [found[number][0].node if number in found else None for number in range(len(requests))]


def test_least_cost_gives_the_only_fitting_node_to_the_job_that_needs_it():
    """One after the other, the first job would take the SSD node, and the second have none."""
    free = FreeNodes([cpu_node("a", cpus=4, labels={"disk": "ssd"}), cpu_node("b", cpus=8)])
    batch = [Request(cpus=4), Request(cpus=4, labels=(("disk", "ssd"),))]

    assert placed(in_turn_by_best_fit, free, *batch) == ["a", None]
    assert placed(SCORED["min_cost, a batch"], free, *batch) == ["b", "a"]


def test_the_genetic_search_finds_an_order_that_places_more_and_takes_nothing():
    free = FreeNodes([gpu_node("a", 4), gpu_node("b", 4)])
    batch = [Request(gpus=1), *[Request(gpus=4)] * 2]

    assert placed(in_turn_by_best_fit, free, *batch).count(None) == 1
    assert placed(by_genetic, free, *batch) in ([None, "a", "b"], [None, "b", "a"])
    assert [node.gpu_milli for node in free.nodes] == [4_000, 4_000]
