"""What a sweep makes of jobs in a cluster of which nothing is heard: of those that run nothing, whatever they have not done."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job, Placement
from jobs.recovery import quota_books, sweep
from scheduling.lifecycle import JobState, PlacementState
from tests import builders
from workers.models import Cluster, Node

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_database_that_has_been_up_for_long(settings):
    settings.LEASE_SECONDS, settings.LEASE_MARGIN_SECONDS = 0.01, 0.01


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


def node_of(*, reached_at, reached_since=None) -> Node:
    cluster = Cluster.objects.create(
        name="ml", kind="slurm", reached_at=reached_at, reached_since=reached_since, last_heartbeat_at=reached_at
    )
    return builders.node(name="ml-n1", cluster=cluster, heartbeat=reached_at)


def running(node: Node, **fields):
    job = builders.running_job(node=node, **fields)
    Placement.objects.filter(attempt__job=job).update(lease_expires_at=ago(3600), claimed_at=ago(7200))
    return job


def test_no_lease_ends_what_a_cluster_runs():
    """Neither a silent bridge nor a silent cluster says anything of it, whether it has started or not."""
    node = node_of(reached_at=ago(7200))
    jobs = [running(node), running(node)]
    Placement.objects.filter(attempt__job=jobs[1]).update(state=PlacementState.CLAIMED)
    assert sweep.recover().lost == 0
    assert sweep.recover().lost == 0
    assert set(Job.objects.values_list("state", flat=True)) == {JobState.RUNNING}
    node.refresh_from_db()
    assert node.state == "down"  # nothing new goes there


def test_what_nobody_has_claimed_there_goes_back_in_line():
    node = node_of(reached_at=ago(7200))
    job = builders.job(state=JobState.QUEUED, node=node)
    builders.placement(attempt=builders.attempt(job=job), node=node)
    assert sweep.recover().released == 1
    job.refresh_from_db()
    assert (job.state, job.retries_used, job.platform_retries_used) == (JobState.PENDING, 0, 0)


def test_silence_is_no_stall_and_counts_from_the_answer_on(settings):
    """What a job did not report while nobody could ask is not held against it."""
    node = node_of(reached_at=ago(7200))
    job = running(node, progress_at=ago(7200), stall_seconds=60)
    assert sweep.recover().stalled == 0
    settings.LEASE_SECONDS = 30
    Cluster.objects.update(reached_at=ago(0), reached_since=ago(20))
    assert sweep.recover().stalled == 0
    Cluster.objects.update(reached_at=ago(0), reached_since=ago(100))
    assert sweep.recover().stalled == 1
    job.refresh_from_db()
    assert job.desired == "stall"


def test_the_books_are_not_mended_under_what_may_run():
    job = running(node_of(reached_at=ago(7200)))
    [books] = [one for one in quota_books.jobs() if one.job == job.pk]
    assert books.leased
