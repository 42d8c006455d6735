"""What a drill does is settled by its seed, and asks nothing of the platform that it never promised."""

from itertools import combinations

import pytest

from chaos.fault_plan import NOWHERE, FaultKind, plan_faults
from chaos.workload import Kind, plan_jobs


def test_a_seed_repeats_jobs_and_faults():
    assert plan_jobs(7, 100, 60) == plan_jobs(7, 100, 60) != plan_jobs(8, 100, 60)
    assert plan_faults(7, 50, 4, lease=4) == plan_faults(7, 50, 4, lease=4) != plan_faults(8, 50, 4, lease=4)


def test_every_kind_of_job_and_of_fault_comes_up():
    assert {plan.kind for plan in plan_jobs(1, 400, 60)} == set(Kind)
    assert {fault.kind for fault in plan_faults(1, len(FaultKind), 4, lease=4)} == set(FaultKind)


def test_a_fault_that_cannot_be_done_here_is_left_out():
    faults = plan_faults(1, 60, 4, lease=4, without=[FaultKind.DISK_FULL])

    assert len(faults) == 60
    assert FaultKind.DISK_FULL not in {fault.kind for fault in faults}


@pytest.mark.parametrize("seed", range(5))
def test_a_node_has_one_fault_at_a_time(seed):
    on_nodes = [fault for fault in plan_faults(seed, 100, 4, lease=4) if fault.node != NOWHERE]

    for one, other in combinations(on_nodes, 2):
        assert one.node != other.node or one.at + one.seconds < other.at or other.at + other.seconds < one.at
