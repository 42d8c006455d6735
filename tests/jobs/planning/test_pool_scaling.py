"""What a pool is to have, from rows to rows."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from jobs.planning import cycle, pool_scaling
from jobs.planning.pool_scaling import scale_pools
from jobs.planning.rebalancing import rebalance_settings
from tests import builders
from workers.models import Node, NodePool

pytestmark = pytest.mark.django_db


def pool(**fields) -> NodePool:
    return NodePool.objects.create(**{"name": "cpu", "cpus": 4, "memory_mb": 16_384, "max_nodes": 10, **fields})


def member(name: str, of: str = "cpu", **fields) -> Node:
    return builders.node(**{"name": name, "cpus": 4, "memory_mb": 16_384, "labels": {"pool": of}, **fields})


def decided(name: str = "cpu") -> NodePool:
    scale_pools()
    return NodePool.objects.get(name=name)


def test_a_pool_without_nodes_is_to_have_what_waiting_jobs_would_use():
    pool()
    for _ in range(6):
        builders.job(cpus=2)
    cycle.run_cycle()
    made = decided()
    assert (made.demand_now, made.waiting_jobs, made.desired_nodes) == (3, 6, 3)
    assert made.why == "what runs and what waits would use them"


def test_a_pool_whose_nodes_go_is_asked_for_by_whoever_ends_before_an_agent_leaves(settings):
    settings.NODE_LEAVE_SECONDS = 120
    pool(lifetime_seconds=3_720)
    for seconds in (3_600, 3_601):
        builders.job(cpus=4, max_runtime_seconds=seconds)
    cycle.run_cycle()
    assert decided().demand_now == 1


def test_a_quota_bounds_what_is_asked_for():
    pool()
    small = builders.project(quota={"running_jobs": 2})
    for _ in range(6):
        builders.job(project=small, cpus=4)
    cycle.run_cycle()
    assert decided().demand_now == 2


def test_nodes_belong_to_the_pool_of_their_label_and_idle_ones_are_named():
    pool(min_nodes=1)
    member("cpu-1")
    member("cpu-2")
    member("other", of="elsewhere")
    builders.job(cpus=4)
    cycle.run_cycle()
    made = decided()
    assert (made.busy_nodes, made.idle_nodes) == (1, ["cpu-2"])


@pytest.mark.parametrize("consolidate", [False, True])
def test_only_pools_that_consolidate_ask_for_the_settings_of_rebalancing(monkeypatch, consolidate):
    pool(), pool(name="tidy", actuator="local", consolidate=consolidate)
    asked = []

    def settings_of(chosen):
        asked.append(chosen)
        return rebalance_settings(chosen)

    monkeypatch.setattr(pool_scaling, "rebalance_settings", settings_of)
    assert (scale_pools(), len(asked)) == (2, consolidate)


@pytest.mark.parametrize("actuator", ["local", "none"])
def test_a_second_decision_goes_on_from_the_first_though_no_node_is_ready_yet(actuator):
    pool(actuator=actuator)
    for _ in range(40):
        builders.job(cpus=4)
    cycle.run_cycle()
    assert decided().desired_nodes == 4
    again = decided()
    assert (again.wanted_nodes, again.desired_nodes, len(again.history)) == (10, 4, 2)
    assert again.why == "at most 100 % in 30 seconds"


def test_nodes_that_somebody_started_himself_are_not_told_to_go_while_they_hold_jobs():
    pool(desired_nodes=0)
    for number in range(3):
        builders.running_job(node=member(f"cpu-{number}"), cpus=4)
    assert decided().desired_nodes == 3


def test_a_paused_pool_is_told_of_and_stays_as_it_is():
    pool(actuator="local", paused=True)
    member("cpu-1")
    builders.job(cpus=4)
    builders.job(cpus=4)
    cycle.run_cycle()
    assert decided().wanted_nodes == 2


def test_a_pool_that_shrinks_within_seconds_is_not_held_for_minutes():
    pool(actuator="local", scale_down_seconds=0, desired_nodes=3, history=[[0, 3, 0]])
    assert decided().desired_nodes == 2
    assert decided().desired_nodes == 1


def test_the_database_refuses_more_at_least_than_at_most():
    with pytest.raises(IntegrityError, match="pool_least_within_most"):
        pool(min_nodes=11)


def long_running(node: Node) -> int:
    began = timezone.now() - timedelta(hours=2)
    return builders.running_job(
        node=node, started_at=began, checkpointable=True, checkpoint_at=timezone.now(), max_runtime_seconds=40_000
    ).pk


def test_a_pool_that_may_consolidate_names_the_node_whose_jobs_have_room_on_others():
    pool(actuator="local", consolidate=True, desired_nodes=2)
    jobs = {name: long_running(member(name)) for name in ("cpu-1", "cpu-2")}
    found = decided().emptying
    assert found["jobs"] == [jobs[found["node"]]]
    assert found["gain"] > found["cost"] > 0
    NodePool.objects.update(consolidate=False)
    assert decided().emptying == {}
