"""What an agent keeps in mind of a placement: above all when its command may start."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from executors.run import rendezvous
from executors.run.placement_run import PlacementRun
from executors.run.state_files import claim_as_data, claim_from_data
from jobs.attempts.claims import PlacementSpec
from scheduling.lifecycle import EndReason

SINGLE = PlacementSpec(
    placement_id=1, token="t", job_id=2, job_name="job", attempt_id=3, attempt=1, project="p", command=("true",),
    working_dir="", env={}, cpus=1, memory_mb=0, gpu_indices=(0,), max_runtime_seconds=None,
)  # fmt: skip
MEMBER = replace(SINGLE, rank=1, nodes=2, master_address="10.0.0.1", master_port=29_501)


@pytest.fixture
def run(tmp_path):
    return lambda claimed: PlacementRun(claimed, tmp_path, lease_deadline=0)


def waiting(member: PlacementRun) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(member.wait_for_its_gang()))
    thread.start()
    return thread, answers


def test_a_job_on_one_node_waits_for_nobody(run):
    assert run(SINGLE).wait_for_its_gang() is None


def test_a_member_waits_until_it_is_released(run):
    member = run(MEMBER)
    thread, answers = waiting(member)
    thread.join(0.1)
    assert (answers, member.waits_for_its_gang) == ([], True)

    member.release()
    thread.join(5)
    assert answers == [None]


def test_a_member_that_is_stopped_while_it_waits_never_starts(run):
    member = run(MEMBER)
    thread, answers = waiting(member)

    member.stop(EndReason.GANG_ENDED)
    member.release()
    thread.join(5)
    assert [(end.ref, end.reason, end.started_at) for end in answers] == [(MEMBER.ref, "gang_ended", None)]


def test_what_was_claimed_is_read_back_as_it_was():
    assert claim_from_data(claim_as_data(MEMBER)) == MEMBER


def test_what_an_agent_before_gangs_wrote_down_is_a_job_on_one_node():
    old = claim_as_data(SINGLE)
    for name in ("rank", "nodes", "master_address", "master_port"):
        del old[name]

    assert claim_from_data(old) == SINGLE


def test_a_member_is_told_where_to_meet_and_which_it_is():
    assert rendezvous.environment(MEMBER) == {
        "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29501", "WORLD_SIZE": "2", "RANK": "1", "NODE_RANK": "1",
        "NNODES": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
    }  # fmt: skip


def test_a_job_on_one_node_finds_the_same_variables():
    alone = rendezvous.environment(replace(SINGLE, master_port=30_007))
    assert alone.keys() == rendezvous.environment(MEMBER).keys()
    assert (alone["MASTER_ADDR"], alone["MASTER_PORT"], alone["WORLD_SIZE"]) == ("127.0.0.1", "30007", "1")


def test_on_several_gpus_the_local_rank_is_left_to_who_starts_a_process_for_each():
    assert not {"LOCAL_RANK", "LOCAL_WORLD_SIZE"} & rendezvous.environment(replace(SINGLE, gpu_indices=(0, 1))).keys()
