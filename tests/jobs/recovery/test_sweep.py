"""What was lost is found; what is not known is left alone."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Attempt, Job, JobEvent, Placement
from jobs.planning.cycle import run_cycle
from jobs.recovery import stalls, sweep
from jobs.recovery.sweep import Recovered
from scheduling.lifecycle import JobState, PlacementState
from tests import builders
from tests.racing import beside, hold, race
from workers import heartbeats
from workers.hardware.inventory import Hardware

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_database_that_has_been_up_for_long(settings):
    settings.LEASE_SECONDS, settings.LEASE_MARGIN_SECONDS = 0.01, 0.01


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


def test_a_job_whose_lease_ran_out_goes_back_in_line():
    job = builders.running_job(node=builders.node(name="n1"))
    Placement.objects.update(lease_expires_at=ago(60))

    assert sweep.recover().lost == 1

    job.refresh_from_db()
    assert (job.state, job.platform_retries_used) == (JobState.PENDING, 1)
    assert Attempt.objects.get().end_reason == "node_lost"
    assert "n1" in JobEvent.objects.get(kind="requeued").message


def test_a_lease_within_its_margin_is_left_alone(settings):
    settings.LEASE_MARGIN_SECONDS = 30
    builders.running_job(node=builders.node(heartbeat=timezone.now() + timedelta(minutes=1)))
    Placement.objects.update(lease_expires_at=ago(0.1))

    assert sweep.recover().lost == 0


def test_a_job_that_its_node_took_and_never_began_counts_against_the_node(settings):
    settings.LEASE_SECONDS = 30
    job = builders.job(state=JobState.ASSIGNED)
    builders.placement(
        attempt=builders.attempt(job=job),
        node=builders.node(name="n1"),
        state=PlacementState.CLAIMED,
        lease_expires_at=ago(60),
    )

    assert sweep.recover().lost == 1

    job.refresh_from_db()
    assert (job.state, job.platform_retries_used) == (JobState.PENDING, 1)
    assert Attempt.objects.get().end_reason == Placement.objects.get().end_reason == "platform_error"


def test_a_placement_nobody_claimed_is_published_again(settings):
    settings.LEASE_SECONDS = 1
    placement = builders.placement(published_at=ago(60), node=builders.node())

    assert sweep.recover().republished == 1
    assert sweep.recover().republished == 0

    placement.refresh_from_db()
    assert placement.publish_count == 2
    assert JobEvent.objects.get().kind == "republished"


def test_a_placement_on_a_node_that_went_away_goes_back_in_line_for_free():
    job = builders.job(state=JobState.QUEUED)
    builders.placement(attempt=builders.attempt(job=job), node=builders.node(heartbeat=ago(60)))

    assert sweep.recover().released == 1

    job.refresh_from_db()
    assert (job.state, job.platform_retries_used, job.retries_used) == (JobState.PENDING, 0, 0)


def test_a_silent_node_is_down_until_it_speaks_again():
    node = builders.node(heartbeat=ago(60))

    sweep.recover()

    node.refresh_from_db()
    assert node.state == "down"


def test_a_job_that_stopped_reporting_progress_is_stopped_by_its_node():
    job = builders.running_job(progress=0.5, progress_at=ago(100), stall_seconds=60)

    assert sweep.recover().stalled == 1
    assert sweep.recover().stalled == 0

    job.refresh_from_db()
    assert job.desired == "stall"


def test_a_job_that_never_reported_progress_cannot_stall():
    builders.running_job(started_at=ago(10_000), stall_seconds=1)

    assert sweep.recover().stalled == 0


def test_the_platform_s_limit_holds_for_jobs_without_their_own(settings):
    settings.STALL_SECONDS = 30
    builders.running_job(progress=0.1, progress_at=ago(31))

    assert sweep.recover().stalled == 1


def kinds(job: Job) -> list[str]:
    return list(job.events.order_by("id").values_list("kind", flat=True))


def test_half_way_to_a_stall_the_history_warns_once_for_each_standstill():
    job = builders.running_job(progress=0.5, progress_at=ago(40), stall_seconds=60)
    for _ in range(2):
        assert stalls.detect() == 0
    assert kinds(job) == ["stall_warning"]

    JobEvent.objects.update(at=ago(200))
    stalls.detect()
    assert kinds(job) == ["stall_warning", "stall_warning"]


def test_a_job_that_wants_to_be_warned_only_is_never_stopped():
    job = builders.running_job(progress=0.5, progress_at=ago(100), stall_seconds=60, stall_action="warn")
    for _ in range(2):
        assert stalls.detect() == 0
    job.refresh_from_db()
    assert (job.desired, kinds(job)) == ("", ["stall_warning", "stalled"])


def test_running_placements_keep_their_state(settings):
    settings.LEASE_SECONDS = 1
    builders.running_job(node=builders.node())
    Placement.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=30))

    assert sweep.recover() == Recovered()
    assert Placement.objects.get().state == PlacementState.RUNNING


def test_a_node_that_another_agent_took_over_gives_its_old_jobs_back_when_their_leases_are_over(settings):
    settings.LEASE_SECONDS, settings.LEASE_MARGIN_SECONDS = 30, 10
    node = builders.node(name="n1", agent_id=uuid.uuid4(), heartbeat=ago(31))
    job = builders.running_job(node=node)
    Placement.objects.update(lease_expires_at=ago(1))
    heartbeats.register(name="n1", hardware=Hardware(8, 32768), agent_id=uuid.uuid4(), labels={}, version="")

    assert sweep.recover().lost == 0, "its shim may still need the margin"
    Placement.objects.update(lease_expires_at=ago(11))
    assert sweep.recover().lost == 1

    job.refresh_from_db()
    assert (job.state, job.platform_retries_used) == (JobState.PENDING, 1)


def at_once(step, times=2):
    """Run the step in so many threads at the same moment, each on a connection of its own."""
    start, answers = threading.Barrier(times), []

    def run() -> None:
        start.wait()
        answers.append(step())
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_two_planners_and_two_sweeps_at_once_do_everything_once(settings):
    settings.LEASE_SECONDS = 30
    lost = builders.running_job(node=builders.node(name="silent", heartbeat=ago(100)))
    Placement.objects.update(lease_expires_at=ago(100))
    waiting = [builders.job() for _ in range(5)]
    builders.node(name="n1", cpus=3)

    assert sum(swept.lost for swept in at_once(sweep.recover)) == 1
    assert sum(cycle.placed for cycle in at_once(run_cycle)) == 3

    assert JobEvent.objects.filter(job=lost, kind="requeued").count() == 1
    assert Attempt.objects.filter(ended_at=None).count() == Placement.objects.filter(closed_at=None).count() == 3
    assert Job.objects.filter(state=JobState.PENDING).count() == len(waiting) + 1 - 3


@pytest.mark.django_db(transaction=True)
def test_a_sweep_holds_no_job_any_more_when_it_waits_for_another():
    lost = builders.running_job()
    stalled = builders.running_job(progress=0.5, progress_at=ago(100), stall_seconds=60)
    Placement.objects.filter(attempt__job=lost).update(lease_expires_at=ago(60))

    swept = race(hold(stalled), sweep.recover, meanwhile=hold(lost))

    assert (swept.lost, swept.stalled) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_placement_that_is_just_being_claimed_is_not_published_again(settings):
    settings.LEASE_SECONDS, settings.REPUBLISH_SECONDS = 30, 0.01
    claimed, unheard = (builders.placement(published_at=ago(60)) for _ in range(2))

    assert beside(hold(claimed), sweep.recover).republished == 1

    unheard.refresh_from_db()
    assert unheard.publish_count == claimed.publish_count + 1
