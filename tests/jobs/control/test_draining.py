"""Emptying a node: what becomes of what was placed there, of what runs, and of what comes meanwhile."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.attempts.claims import claim
from jobs.control import draining
from jobs.models import Job, JobEvent, Placement
from jobs.state.outcome import PlacementRef
from scheduling.lifecycle import JobState
from tests import builders
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def node():
    return builders.node(name="n1")


@pytest.fixture
def jobs(node):
    """One that can save its work and one that cannot, both running on the node."""
    return [builders.running_job(node=node, checkpointable=can) for can in (True, False)]


def placed_on(node):
    job = builders.job(state=JobState.QUEUED)
    return builders.placement(attempt=builders.attempt(job=job), node=node)


def wishes(jobs):
    return [Job.objects.get(pk=job.pk).desired for job in jobs]


@pytest.mark.parametrize(
    ("mode", "wished"), [("wait", ["", ""]), ("checkpoint", ["preempt", ""]), ("now", ["preempt", "requeue"])]
)
def test_what_runs_there_waits_gives_way_or_goes_back_in_line(node, jobs, mode, wished):
    drained = draining.drain(node, mode=mode, reason="new fan")
    assert (drained.state, drained.cordoned, drained.drain_mode, drained.drain_reason) == (
        "draining", True, mode, "new fan",
    )  # fmt: skip
    assert wishes(jobs) == wished


@pytest.mark.parametrize("mode", ["wait", "checkpoint", "now"])
def test_what_was_placed_there_and_not_yet_taken_goes_elsewhere(node, mode):
    placement = placed_on(node)
    ref = PlacementRef(placement.pk, str(placement.attempt.token))
    draining.drain(node, mode=mode)
    job = Job.objects.get(pk=placement.attempt.job_id)
    assert (job.state, job.retries_used, job.platform_retries_used, job.desired) == ("pending", 0, 0, "")
    assert claim([ref], node_id=node.pk) == []
    assert not Placement.objects.filter(closed_at__isnull=True).exists()


def test_a_job_that_was_placed_at_the_moment_of_the_drain_is_found_by_the_next_sweep(node):
    draining.drain(node, mode="now")
    placement, late = placed_on(node), builders.running_job(node=node)
    assert draining.enforce() == 2
    assert Job.objects.get(pk=placement.attempt.job_id).state == "pending"
    assert wishes([late]) == ["requeue"]


def test_nobody_is_asked_twice_and_no_other_wish_is_overwritten(node, jobs):
    Job.objects.filter(pk=jobs[0].pk).update(desired="cancel")
    draining.drain(node, mode="now")
    assert draining.enforce() == 0
    assert wishes(jobs) == ["cancel", "requeue"]
    assert JobEvent.objects.filter(kind="requeue_requested").count() == 1


def test_after_the_deadline_what_is_left_goes_back_in_line(node, jobs):
    draining.drain(node, mode="wait", deadline_seconds=600)
    draining.enforce()
    assert wishes(jobs) == ["", ""]
    Node.objects.update(drain_deadline=timezone.now() - timedelta(seconds=1))
    draining.enforce()
    assert wishes(jobs) == ["preempt", "requeue"]


def test_undraining_asks_nobody_else_to_leave(node):
    draining.drain(node, mode="now", deadline_seconds=None)
    back = draining.undrain(node)
    job = builders.running_job(node=node)
    assert (draining.enforce(), wishes([job])) == (0, [""])
    assert (back.state, back.cordoned, Node.objects.get().drain_mode) == ("up", False, "wait")


def test_other_nodes_and_their_jobs_are_left_alone(node):
    other = builders.running_job(node=builders.node(name="n2"))
    draining.drain(node, mode="now")
    assert wishes([other]) == [""]


def test_a_sweep_without_drained_nodes_asks_one_question(node, django_assert_num_queries):
    with django_assert_num_queries(1 + 2 * connection.in_atomic_block):  # and a savepoint
        assert draining.enforce() == 0
