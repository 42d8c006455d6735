"""A running job moves to another node by hand, on real agents: it goes on from its checkpoint, and no target that dies strands it."""

import sys
from functools import reduce
from pathlib import Path

import pytest

from jobs.control import moves
from jobs.control.moves import MoveRequest
from jobs.models import Job, JobMove
from tests.acceptance import checkpointing
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(300)  # on a busy machine agents take their time to start
STEPS = 80
NODES = ("n1", "n2")


def training(platform: Platform) -> Job:
    """A job that writes a checkpoint when it is stopped, as it trains."""
    command = [sys.executable, str(Path(checkpointing.__file__)), str(STEPS), "0.2"]
    [job] = submitted(command, checkpointable=True)
    job = wait_for_state(job, "running", platform=platform)
    wait_for(lambda: Job.objects.get(pk=job.pk).metrics.get("step", 0) > 5, 20, "the first steps")
    return job


def places(job: Job) -> tuple[str, str]:
    """Where it runs, and the other node."""
    assert job.node is not None
    return job.node.name, next(name for name in NODES if name != job.node.name)


def move(job: Job, node: str) -> JobMove:
    return moves.begin(job_id=job.pk, wanted=MoveRequest(node, "by hand"), actor="ann")


def state_of(found: JobMove) -> str:
    return JobMove.objects.get(pk=found.pk).state


def trained_through(job: Job) -> bool:
    said = output(job).splitlines()
    steps = [line for line in said if line.startswith("step")]
    whole = steps == [f"step {step}" for step in range(1, STEPS + 1)]
    return whole and said[-1] == f"weights {reduce(checkpointing.trained, range(1, STEPS + 1), '')}"


def nodes_of(job: Job) -> list[str]:
    return [one.placements.get().node.name for one in job.attempts.all()]


def test_a_job_moves_and_goes_on_from_its_checkpoint(platform: Platform):
    platform.start(*NODES, beat=True)
    job = training(platform)
    here, there = places(job)

    begun = move(job, there)
    wait_for(lambda: state_of(begun) == "done", 60, "the move")
    job = wait_for_state(job, "completed", platform=platform)

    assert nodes_of(job) == [here, there]
    assert [one.end_reason for one in job.attempts.all()] == ["preempted", "completed"]
    assert (job.retries_used, job.platform_retries_used) == (0, 0)
    assert trained_through(job)


def test_a_target_that_is_killed_in_the_middle_leaves_the_job_where_it_can_run(platform: Platform):
    platform.start(*NODES, beat=True)
    job = training(platform)
    here, there = places(job)

    platform.kill(there)
    begun = move(job, there)  # nobody has missed it yet
    wait_for(lambda: state_of(begun) == "failed", 60, "the end of the move")
    job = wait_for_state(job, "completed", platform=platform)

    assert nodes_of(job)[-1] == here
    assert JobMove.objects.get(pk=begun.pk).message
    assert trained_through(job)
