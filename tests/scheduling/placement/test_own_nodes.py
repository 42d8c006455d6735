"""A project's jobs go to the nodes that are kept for it before they take what others could use."""

from dataclasses import replace

import pytest

from scheduling.placement import STRATEGIES
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.snapshot import ProjectView, Reservation
from tests.scheduling.builders import gpu_node, snapshot, waiting

NOW = 1000.0
PROJECTS = (ProjectView("org"), ProjectView("vip", "org"), ProjectView("other"))


def world(
    *jobs, kept=("b-kept",), nodes=("a-shared", "b-kept"), start=NOW - 10, of="vip", placement="best_fit", **more
):
    machines = tuple(gpu_node(name) for name in nodes)
    reservations = (Reservation("r", kept, start, NOW + 9999, of), *more.get("reservations", ()))
    seen = snapshot(*jobs, nodes=machines, projects=PROJECTS)
    return replace(seen, reservations=reservations, rules=Rules(placement=placement))


def job(job_id, project="vip", **more):
    asked = {"gpus": 8} | more
    return waiting(job_id, project=project, request=Request(**asked), max_runtime_seconds=3600, priority=60 - job_id)


def placed(seen):
    return {one.job_id: [share.node for share in one.shares] for one in make_plan(seen, NOW).placements}


@pytest.mark.parametrize("placement", sorted(STRATEGIES))
@pytest.mark.parametrize("asked", [{"gpus": 8}, {"gpus": 1}, {"gpus": 0, "cpus": 40}])
def test_the_kept_node_comes_first_under_every_strategy(placement, asked):
    seen = world(job(1, **asked), job(2, "other", **asked), placement=placement)

    assert placed(seen) == {1: ["b-kept"], 2: ["a-shared"]}


def test_what_does_not_fit_there_goes_elsewhere():
    assert placed(world(job(1), job(2))) == {1: ["b-kept"], 2: ["a-shared"]}


def test_a_gang_takes_the_kept_nodes_and_as_few_others_as_it_needs():
    seen = world(job(1, nodes=3), nodes=("a", "b", "c", "d"), kept=("b", "d"))

    assert placed(seen) == {1: ["b", "d", "a"]}


def test_its_data_decides_among_kept_nodes_only():
    seen = world(replace(job(1), near=("a", "d")), nodes=("a", "b", "d"), kept=("b", "d"))

    assert placed(seen) == {1: ["d"]}


def test_what_is_kept_for_itself_comes_before_what_is_kept_for_a_project_above():
    above = Reservation("above", ("a",), NOW - 10, NOW + 9999, "org")
    seen = world(job(1), job(2), nodes=("0", "a", "b"), kept=("b",), reservations=(above,))

    assert placed(seen) == {1: ["b"], 2: ["a"]}


def test_a_window_that_the_job_will_have_ended_before_makes_no_difference():
    assert placed(world(job(1), start=NOW + 4000)) == {1: ["a-shared"]}
    assert placed(world(job(1), start=NOW + 600)) == {1: ["b-kept"]}
