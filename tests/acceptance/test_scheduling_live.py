"""What the plans of the core come to on four real agents."""

import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from pathlib import Path

from jobs.models import Job, JobEvent, Preemption
from scheduling.lifecycle import JobState
from tests.acceptance import checkpointing
from tests.acceptance.platform import Platform, output, state_of, submitted, wait_for_state
from tests.waiting import wait_for

NODES = ("n1", "n2", "n3", "n4")
BOUNDED_WAIT = 8
SMALL_LIMIT = 5
"""Seconds after which a small job of the stream is stopped; it ends by itself long before."""
SLACK = 15
"""What a busy machine may need to end and start commands."""


def checkpointed(steps: int, seconds: float) -> list[str]:
    return [sys.executable, str(Path(checkpointing.__file__)), str(steps), str(seconds)]


def test_a_job_that_gives_way_to_an_urgent_one_goes_on_where_it_was(platform: Platform):
    platform.environment["TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS"] = "1"
    platform.start(*NODES)
    steps = 60
    [long] = submitted(checkpointed(steps, 0.1), cpus=2, priority="background", checkpointable=True)
    full = submitted(*["sleep 60"] * 3, cpus=2, priority="urgent")
    for job in (long, *full):
        wait_for_state(job, "running", platform=platform)
    wait_for(lambda: Job.objects.get(pk=long.pk).metrics.get("step", 0) > 10, 20, "the first steps")

    [urgent] = submitted("echo urgent; sleep 1", cpus=2, priority="urgent")
    urgent = wait_for_state(urgent, "completed", platform=platform)
    long = wait_for_state(long, "completed", platform=platform)

    first, second = long.attempts.all()
    assert (first.end_reason, first.exit_code, second.end_reason) == ("preempted", 143, "completed")
    assert first.ended_at <= urgent.started_at < urgent.finished_at <= second.started_at
    assert (long.retries_used, long.platform_retries_used, long.checkpoint_at is not None) == (0, 0, True)
    assert (first.preemption.for_job_id, Preemption.objects.count()) == (urgent.pk, 1)
    assert JobEvent.objects.get(job=long, kind="preempt_requested").data["for_job"] == urgent.pk
    said = output(long).splitlines()
    assert [line for line in said if line.startswith("step")] == [f"step {step}" for step in range(1, steps + 1)]
    assert said[-1] == f"weights {reduce(checkpointing.trained, range(1, steps + 1), '')}"
    assert [state_of(job) for job in full] == ["running"] * 3


def small_jobs() -> list[Job]:
    """As many as there is room for at once."""
    return submitted(*["sleep 1"] * 8, priority="urgent", max_runtime_seconds=SMALL_LIMIT)


def keep_coming(gang: Job, seconds: float) -> Sequence[Job]:
    """The small, more urgent jobs that kept coming for so long, or until the gang started: some are always in line."""
    small: list[Job] = []
    until = time.monotonic() + seconds
    while state_of(gang) == "pending" and time.monotonic() < until:
        if Job.objects.filter(state=JobState.PENDING).exclude(pk=gang.pk).count() < 8:
            small += small_jobs()
        time.sleep(0.2)
    return small


def test_a_gang_that_small_urgent_jobs_keep_passing_starts_within_its_bounded_wait(platform: Platform):
    platform.environment["TRAINYARD_BOUNDED_WAIT_SECONDS"] = str(BOUNDED_WAIT)
    platform.start(*NODES)
    first = [job.pk for job in small_jobs()]
    # A platform that only just started may take as long as the bounded wait until the first jobs run on it.
    wait_for(
        lambda: not Job.objects.filter(pk__in=first, started_at=None).exists(), 30, "the first small jobs to start"
    )
    small_jobs()
    [gang] = submitted("sleep 1; echo rank $RANK of $WORLD_SIZE", nodes=4, cpus=2, priority="background")

    small = keep_coming(gang, BOUNDED_WAIT + SMALL_LIMIT + SLACK)

    gang = wait_for_state(gang, "completed", platform=platform)
    passed = [job for job in Job.objects.filter(pk__in=[one.pk for one in small]) if job.started_at]
    passed = [job for job in passed if job.started_at < gang.started_at]
    assert gang.started_at - gang.created_at >= timedelta(seconds=BOUNDED_WAIT)
    assert gang.queued_at - gang.created_at <= timedelta(seconds=BOUNDED_WAIT + SMALL_LIMIT + SLACK)
    assert len(passed) >= 4, "nobody passed it: it did not have to wait"
    assert sorted(line for line in output(gang).splitlines()) == [f"rank {rank} of 4" for rank in range(4)]


def test_without_a_bounded_wait_the_same_gang_starves(platform: Platform):
    platform.environment["TRAINYARD_BOUNDED_WAIT_SECONDS"] = "0"
    platform.start(*NODES)
    small_jobs()
    [gang] = submitted("true", nodes=4, cpus=2, priority="background")

    small = keep_coming(gang, BOUNDED_WAIT + SMALL_LIMIT + 5)

    assert state_of(gang) == "pending"
    assert Job.objects.filter(pk__in=[job.pk for job in small], state=JobState.COMPLETED).count() >= 16


def test_in_its_grace_a_command_may_complete_and_one_that_ignores_the_signal_is_killed(platform: Platform):
    platform.environment |= {
        "TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS": "1", "TRAINYARD_PREEMPT_GRACE_SECONDS": "2",
    }  # fmt: skip
    platform.start("n1", cpus=2)
    said_done = 'echo "{\\"done\\": true}" >> $TRAINYARD_REPORT'  # with exit code 0 alone it would have given way
    stubborn, nearly_done = submitted(
        'trap "" TERM; test "$TRAINYARD_ATTEMPT" = 2 || while :; do sleep 0.1; done',
        f"trap '{said_done}; echo done; exit 0' TERM; while :; do sleep 0.1; done",
        priority="background",
        checkpointable=True,
    )
    for job in (stubborn, nearly_done):
        wait_for_state(job, "running", platform=platform)
    time.sleep(1.5)

    [urgent] = submitted("true", cpus=2, priority="urgent")
    wait_for_state(urgent, "completed", platform=platform)

    stubborn = wait_for_state(stubborn, "completed", platform=platform)
    assert [attempt.end_reason for attempt in stubborn.attempts.all()] == ["preempted", "completed"]
    nearly_done = wait_for_state(nearly_done, "completed", platform=platform)
    assert [attempt.end_reason for attempt in nearly_done.attempts.all()] == ["completed"]
    assert output(nearly_done).endswith("done\n")


def test_a_job_as_wide_as_a_node_starts_because_another_moves(platform: Platform):
    platform.environment |= {
        "TRAINYARD_REBALANCING": "on",
        "TRAINYARD_REBALANCING_COOLDOWN_SECONDS": "1",
        "TRAINYARD_PREEMPTION": "none",
        "TRAINYARD_PLACEMENT": "spread",
    }
    platform.start("n1", "n2", beat=True)
    steps = 60
    pair = submitted(*[checkpointed(steps, 0.25)] * 2, checkpointable=True)
    pair = [wait_for_state(job, "running", platform=platform) for job in pair]
    assert {job.node.name for job in pair} == {"n1", "n2"}

    [wide] = submitted("sleep 1", cpus=2, max_runtime_seconds=60)
    wide = wait_for_state(wide, "completed", platform=platform)
    pair = [wait_for_state(job, "completed", platform=platform) for job in pair]

    row = Preemption.objects.select_related("attempt__job").get()
    moved = row.attempt.job
    assert (row.strategy, row.for_job_id, row.target != wide.node.name) == ("rebalance", wide.pk, True)
    assert [one.placements.get().node.name for one in moved.attempts.all()] == [wide.node.name, row.target]
    assert all(wide.started_at < job.finished_at for job in pair)
    for job in pair:
        assert output(job).splitlines()[-1] == f"weights {reduce(checkpointing.trained, range(1, steps + 1), '')}"
