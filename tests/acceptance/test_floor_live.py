"""The policy `floor` on four real agents: short cuts are given back in time, and nobody is lost when it is switched."""

import sys
from datetime import timedelta
from functools import reduce
from pathlib import Path

from jobs.models import FloorShadow, FloorShadowJob, Job, Preemption, Queue
from tests.acceptance import checkpointing
from tests.acceptance.platform import Platform, output, state_of, submitted, wait_for_state
from tests.waiting import wait_for

NODES = ("n1", "n2", "n3", "n4")
GRACE, CYCLE = 5, 1
BUSY = 15
"""What a busy machine may need to end and start commands."""
STEPS = 150
LONG = 600
"""A limit beyond all that is waited for: whoever has it may not slip in before others under plain backfilling."""


def training(count: int) -> list[Job]:
    """Jobs of fifteen seconds that write a checkpoint when they are told to stop."""
    command = [sys.executable, str(Path(checkpointing.__file__)), str(STEPS), "0.1"]
    return submitted(*[command] * count, cpus=2, checkpointable=True, max_runtime_seconds=LONG)


def policy(name: str) -> None:
    Queue.objects.filter(name="default").update(policy=name)


def test_who_passed_others_gives_way_in_time_goes_on_later_and_no_switch_of_policies_loses_a_job(platform: Platform):
    platform.environment |= {
        "TRAINYARD_PREEMPT_GRACE_SECONDS": str(GRACE),
        "TRAINYARD_FLOOR_SLACK": "0",
        "TRAINYARD_FLOOR_TOLERANCE_SECONDS": str(GRACE + CYCLE + BUSY),
    }
    policy("floor")
    platform.start(*NODES, beat=True)
    [first] = submitted("sleep 8", cpus=2, max_runtime_seconds=60)
    wait_for_state(first, "running", platform=platform)
    [gang] = submitted("sleep 1", nodes=4, cpus=2, max_runtime_seconds=60)
    passing = training(2)
    [plain] = submitted("sleep 1", cpus=2, max_runtime_seconds=LONG)
    for job in passing:
        wait_for_state(job, "running", platform=platform)
    assert [state_of(job) for job in (first, gang, plain)] == ["running", "pending", "pending"]

    first, gang = (wait_for_state(job, "completed", platform=platform) for job in (first, gang))
    load = submitted(*["sleep 1"] * 8, cpus=1, max_runtime_seconds=LONG)
    _switch_off_and_on(platform)

    passing = [wait_for_state(job, "completed", platform=platform, timeout=60) for job in passing]
    plain, *load = (wait_for_state(job, "completed", platform=platform) for job in (plain, *load))
    assert gang.started_at - first.finished_at <= timedelta(seconds=GRACE + CYCLE + BUSY)
    assert plain.started_at >= gang.started_at
    for job in passing:
        stopped, again = job.attempts.all()
        assert stopped.started_at < first.finished_at <= stopped.ended_at <= gang.started_at <= again.started_at
        assert stopped.ended_at - first.finished_at <= timedelta(seconds=GRACE + CYCLE + BUSY)
        assert (stopped.end_reason, stopped.saved, again.end_reason) == ("preempted", True, "completed")
        assert output(job).splitlines()[-1] == f"weights {reduce(checkpointing.trained, range(1, STEPS + 1), '')}"
    stops = Preemption.objects.filter(for_job=gang)
    assert {(one.attempt.job_id, one.strategy) for one in stops} == {(job.pk, "floor") for job in passing}
    assert {job.retries_used + job.platform_retries_used for job in (first, gang, plain, *passing, *load)} == {0}
    wait_for(lambda: not FloorShadowJob.objects.exists(), 20, "the shadow to end with its jobs")
    assert sum(FloorShadow.objects.get().broken.values()) == 0


def _switch_off_and_on(platform: Platform) -> None:
    """While jobs run and wait."""
    assert FloorShadow.objects.get().broken.get("late", 0) == 0
    policy("responsive")
    wait_for(lambda: not FloorShadow.objects.exists(), 20, lambda: f"the shadow to go; {platform.log('control')}")
    policy("floor")
    wait_for(FloorShadow.objects.exists, 20, lambda: f"a new shadow; {platform.log('control')}")
