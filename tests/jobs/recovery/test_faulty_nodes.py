"""A node that fails one job after another is drained by the platform, with the jobs named; a good one never is."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs.control import draining
from jobs.models import Attempt, Cycle, JobEvent, Placement
from jobs.planning.cycle import run_cycle
from jobs.recovery import faulty_nodes, sweep
from jobs.reports.metrics import exposition
from scheduling.lifecycle import EndReason
from tests import builders
from tests.jobs.attempts.test_failures import end, run_on
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def node():
    builders.node(name="good")
    return builders.node(name="bad")


def failed(node, reason=EndReason.EXIT_CODE, *, owner=None, code=1):
    job = builders.job(owner=owner or builders.user(), max_retries=3)
    return end(run_on(job, node), reason, exit_code=code if reason == EndReason.EXIT_CODE else None)


def failed_here_only(node, **fields):
    """A job that failed there at once, and completed on another node."""
    job = failed(node, **fields)
    end(run_on(job, Node.objects.get(name="good")), EndReason.COMPLETED)
    return job


def drained_by_platform(node):
    for _ in range(3):
        failed(node, EndReason.GPU_ERROR)
    assert faulty_nodes.detect() == 1
    node.refresh_from_db()


def its_time_is_over(node):
    Node.objects.filter(pk=node.pk).update(trial_at=Now() - timedelta(seconds=1))


def state(node):
    node.refresh_from_db()
    return node.state, node.cordoned


def test_three_jobs_of_different_people_that_fail_at_once_there_alone_have_the_node_drained(node):
    jobs = [failed_here_only(node) for _ in range(3)]

    assert sweep.recover().drained == 1

    assert state(node) == ("draining", True)
    assert node.drain_reason.startswith("By the platform. It is tried again in 10 min;")
    assert all(str(job.pk) in node.drain_reason for job in jobs)
    assert JobEvent.objects.filter(kind="node_drained", job__in=jobs).count() == 3
    assert faulty_nodes.detect() == 0, "once is enough"


def test_jobs_of_one_user_are_not_enough_unless_the_node_tells_of_it_itself(node):
    ann = builders.user()
    for _ in range(5):
        failed_here_only(node, owner=ann)
    assert faulty_nodes.detect() == 0

    for reason in (EndReason.PLATFORM_ERROR, EndReason.GPU_ERROR):
        failed(node, reason, owner=ann)
    assert faulty_nodes.detect() == 1


def test_commands_that_may_have_failed_by_themselves_drain_nothing_and_operators_are_told(node):
    for _ in range(9):
        failed(node)

    assert faulty_nodes.detect() == 0
    assert state(node) == ("up", False)
    assert "ran well elsewhere" in node.suspicion


def test_a_disk_that_was_full_says_nothing(node):
    for _ in range(9):
        failed(node, EndReason.DISK_FULL)

    assert faulty_nodes.detect() == 0
    assert node.suspicion == ""


def test_the_platform_s_own_drain_ends_and_one_more_fault_drains_again_for_twice_as_long(node):
    drained_by_platform(node)
    its_time_is_over(node)

    assert faulty_nodes.detect() == 0
    assert state(node) == ("up", False)
    failed(node, EndReason.GPU_ERROR)
    assert faulty_nodes.detect() == 1
    node.refresh_from_db()
    assert "tried again in 20 min" in node.drain_reason


def test_a_job_that_completes_on_a_node_on_trial_clears_it(node):
    drained_by_platform(node)
    its_time_is_over(node)
    faulty_nodes.detect()

    end(run_on(builders.job(), node), EndReason.COMPLETED)
    faulty_nodes.detect()
    failed(node, EndReason.GPU_ERROR)

    assert faulty_nodes.detect() == 0
    assert state(node) == ("up", False)


def test_a_drain_that_an_operator_repeats_is_the_operator_s(node):
    drained_by_platform(node)
    draining.drain(node, reason="a new GPU comes on Monday")
    its_time_is_over(node)

    faulty_nodes.detect()

    assert state(node) == ("draining", True)


def test_one_job_that_completes_in_between_speaks_for_the_node(node):
    failed(node), failed(node)
    end(run_on(builders.job(), node), EndReason.COMPLETED)
    failed(node)

    assert faulty_nodes.detect() == 0


def test_jobs_that_ran_for_long_or_were_lost_or_stopped_say_nothing(node):
    for reason in (EndReason.NODE_LOST, EndReason.LOST_LEASE, EndReason.PREEMPTED, EndReason.TIMEOUT):
        failed(node, reason)
    long = [run_on(builders.job(owner=builders.user()), node) for _ in range(3)]
    Attempt.objects.filter(job__in=long).update(started_at=Now() - timedelta(hours=1))
    for job in long:
        end(job, EndReason.EXIT_CODE, exit_code=1)

    assert faulty_nodes.detect() == 0


def test_what_is_long_past_is_forgotten(node):
    for _ in range(3):
        failed(node)
    Placement.objects.update(closed_at=timezone.now() - timedelta(hours=2))

    assert faulty_nodes.detect() == 0


def test_what_nobody_was_charged_for_does_not_count(node):
    for _ in range(3):
        job = run_on(builders.job(owner=builders.user()), node)
        end(job, EndReason.PLATFORM_ERROR, charged=False)

    assert faulty_nodes.detect() == 0


def test_undrained_it_starts_anew(node):
    drained_by_platform(node)

    draining.undrain(node)

    assert faulty_nodes.detect() == 0
    assert state(node) == ("up", False)
    assert node.suspicion == ""
    failed(node, EndReason.GPU_ERROR), failed(node, EndReason.GPU_ERROR)
    assert faulty_nodes.detect() == 0
    failed(node, EndReason.GPU_ERROR)
    assert faulty_nodes.detect() == 1


def test_the_last_of_its_kind_stays_and_operators_are_told_until_a_job_completes_there():
    node = builders.node(name="only")
    for _ in range(3):
        failed(node)

    assert faulty_nodes.detect() == 0
    run_cycle()

    assert state(node) == ("up", False)
    [alert] = Cycle.objects.get().alerts
    assert alert.startswith("Node only may be broken: Jobs failed on it")
    assert b"trainyard_suspect_nodes 1.0" in exposition.exposition()

    end(run_on(builders.job(), node), EndReason.COMPLETED)
    faulty_nodes.detect()
    run_cycle()
    assert Cycle.objects.get().alerts == []


def test_a_fleet_that_fails_as_a_whole_is_not_drained_as_a_whole():
    nodes = [builders.node(name=f"n{number}") for number in range(8)]
    for node in nodes:
        for _ in range(3):
            failed(node, EndReason.PLATFORM_ERROR)

    for _ in range(3):
        sweep.recover()

    assert Node.objects.filter(cordoned=True).count() == 2
    assert Node.objects.exclude(suspicion="").count() == 8
