"""What a drill does is settled by its seed, and asks nothing of the platform that it never promised."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from chaos.fault_kinds import (
    NEED_OWN_DISKS,
    NOWHERE,
    SPANS,
    USUAL_SPAN,
    WEIGHTS,
    FaultKind,
    affected_parts,
    is_on_a_node,
)
from chaos.fault_plan import Fault, plan_faults
from chaos.workload import Kind, plan_jobs

SEEDS = st.integers(0, 10**6)
LEASE = 4.0


def test_a_seed_repeats_jobs_and_faults():
    assert plan_jobs(7, 100, 60) == plan_jobs(7, 100, 60) != plan_jobs(8, 100, 60)
    assert plan_faults(7, 50, 4, lease=4) == plan_faults(7, 50, 4, lease=4) != plan_faults(8, 50, 4, lease=4)


def test_every_kind_of_job_comes_up():
    assert {plan.kind for plan in plan_jobs(1, 400, 60)} == set(Kind)


def test_every_kind_of_fault_has_a_weight():
    assert set(WEIGHTS) == set(FaultKind)


@given(seed=SEEDS, more=st.integers(0, 60), agents=st.integers(1, 5))
def test_every_kind_of_fault_comes_up_if_there_are_enough(seed, more, agents):
    faults = plan_faults(seed, len(FaultKind) + more, agents, lease=LEASE)

    assert {fault.kind for fault in faults} == set(FaultKind)
    assert [fault.number for fault in faults] == list(range(len(FaultKind) + more))


@given(seed=SEEDS, count=st.integers(0, 80))
def test_a_fault_that_cannot_be_done_here_is_left_out(seed, count):
    faults = plan_faults(seed, count, 4, lease=LEASE, without=NEED_OWN_DISKS)

    assert len(faults) == count
    assert not {fault.kind for fault in faults} & set(NEED_OWN_DISKS)


@given(seed=SEEDS, agents=st.integers(1, 5))
def test_a_part_has_one_fault_at_a_time(seed, agents):
    for one, other in combinations(plan_faults(seed, 80, agents, lease=LEASE), 2):
        if affected_parts(one.kind, one.node, agents) & affected_parts(other.kind, other.node, agents):
            assert not together(one, other), f"{one} and {other}"


@given(seed=SEEDS)
def test_many_faults_come_two_at_a_time(seed):
    faults = plan_faults(seed, 60, 4, lease=LEASE)

    assert sum(one.at == other.at for one, other in combinations(faults, 2)) >= 5
    assert max(fault.at for fault in faults) < 60 * 2.5 * LEASE


@given(seed=SEEDS, agents=st.integers(1, 5))
def test_a_fault_lasts_as_long_as_its_kind_and_has_a_node_where_its_kind_has_one(seed, agents):
    for fault in plan_faults(seed, 60, agents, lease=LEASE):
        shortest, longest = SPANS.get(fault.kind, USUAL_SPAN)

        assert shortest * LEASE - 0.001 <= fault.seconds <= longest * LEASE + 0.001
        assert fault.node in (range(agents) if is_on_a_node(fault.kind) else (NOWHERE,))


def test_a_shim_and_what_stops_its_agent_take_the_same_part():
    """Both gone together could keep no promise: nobody would be left to end a job that must not go on."""
    for kind in FaultKind:
        stops_agents = kind.startswith(("agent", "all agents", "node"))
        assert bool(affected_parts(kind, 1, 3) & affected_parts(FaultKind.SHIM_STOPPED, 1, 3)) == (
            stops_agents or kind.startswith("shim")
        ), kind


def together(one: Fault, other: Fault) -> bool:
    return one.at <= other.at + other.seconds and other.at <= one.at + one.seconds
