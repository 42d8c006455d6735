"""A job that failed on a node a moment ago goes to another one, if there is one that could take it."""

from dataclasses import replace

import pytest

from scheduling.plan_result import Plan
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.snapshot import Snapshot
from tests.scheduling.builders import cpu_node, running, share, snapshot, waiting

NOW = 1000.0
A, B, C = (cpu_node(name, cpus=1) for name in "abc")


def busy(name: str):
    """A job that holds all of that node for another 100 s."""
    return replace(running(900, share(name)), started_at=NOW - 1, expected_end=NOW + 100)


def plan(world: Snapshot) -> Plan:
    return make_plan(world, NOW)


def nodes_of(made: Plan) -> dict[int, list[str]]:
    return {one.job_id: [share.node for share in one.shares] for one in made.placements}


def test_it_goes_to_another_node():
    world = snapshot(waiting(1, avoid=("a",)), waiting(2), nodes=(A, B))

    assert nodes_of(plan(world)) == {1: ["b"], 2: ["a"]}


def test_it_waits_for_one_that_is_taken_and_nobody_waits_for_it():
    world = snapshot(waiting(1, avoid=("a",)), waiting(2), running=(busy("b"),), nodes=(A, B))

    made = plan(world)

    assert nodes_of(made) == {2: ["a"]}
    assert [one.shares[0].node for one in made.reservations if one.job_id == 1] == ["b"]


def test_its_reason_is_then_that_it_failed_where_there_is_room():
    world = snapshot(waiting(1, avoid=("a",)), running=(busy("b"),), nodes=(A, B))

    [wait] = plan(world).waits

    assert [str(reason.code) for reason in wait.reasons] == ["elsewhere"]


@pytest.mark.parametrize(
    "others", [(), (replace(B, state="draining"),), (replace(B, alive=False),), (replace(B, cpus=0),)],
    ids=["alone", "draining", "silent", "too small"],
)  # fmt: skip
def test_without_another_it_goes_back(others):
    world = snapshot(waiting(1, avoid=("a",)), nodes=(A, *others))

    assert nodes_of(plan(world)) == {1: ["a"]}


def test_a_gang_goes_back_only_if_without_that_node_there_are_too_few():
    gang = waiting(1, avoid=("a",), request=Request(nodes=2))

    assert nodes_of(plan(snapshot(gang, nodes=(A, B)))) == {1: ["a", "b"]}
    assert nodes_of(plan(snapshot(gang, nodes=(A, B, C)))) == {1: ["b", "c"]}


def test_one_that_finds_no_room_refuses_nobody_who_asks_for_the_same():
    """What is closed to one is open to those that did not fail there, whoever comes first."""
    jobs = [waiting(1, avoid=("a",)), waiting(2, avoid=("a",)), waiting(3)]
    world = snapshot(*jobs, running=(busy("b"),), nodes=(A, B))

    assert nodes_of(plan(replace(world, rules=Rules(reserve_depth=3)))) == {3: ["a"]}


def test_a_job_of_higher_priority_takes_nobody_s_place_where_it_failed():
    """Preemption looks at the same nodes as placement does."""
    job = waiting(1, avoid=("a",), priority=100)
    victim = replace(busy("a"), preemptible=True, checkpointable=True, started_at=NOW - 900, request=Request())
    world = snapshot(job, running=(victim,), nodes=(A, B))

    assert plan(world).preemptions == ()
    assert nodes_of(plan(world)) == {1: ["b"]}
