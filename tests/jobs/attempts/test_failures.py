"""What follows a failed attempt: who pays, when it is tried again, and when it is not, with the reason on record."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.models import Attempt, Job, JobEvent, Placement
from jobs.planning import job_rows
from jobs.planning.cycle import run_cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.clock import database_now
from scheduling.lifecycle import EndReason, JobState, PlacementState
from tests import builders

pytestmark = pytest.mark.django_db


def run_on(job: Job, node, **fields) -> Job:
    """The job's next attempt, running on that node."""
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, node=node, not_before=None)
    job.refresh_from_db()
    attempt = builders.attempt(job=job, started_at=fields.get("started_at", timezone.now()))
    builders.placement(attempt=attempt, node=node, state=PlacementState.RUNNING)
    return job


def end(job: Job, reason: EndReason, **fields) -> Job:
    placement = Placement.objects.select_related("attempt").get(attempt__job=job, closed_at__isnull=True)
    assert finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), reason, **fields)])
    job.refresh_from_db()
    return job


def fail_at_once(job: Job, node, code: int = 2) -> Job:
    return end(run_on(job, node), EndReason.EXIT_CODE, exit_code=code)


@pytest.mark.parametrize(
    ("reason", "own", "platform"),
    [
        (EndReason.EXIT_CODE, 1, 0),
        (EndReason.OUT_OF_MEMORY, 1, 0),
        (EndReason.OUTPUT_LIMIT, 1, 0),
        (EndReason.NODE_LOST, 0, 1),
        (EndReason.DISK_FULL, 0, 1),
        (EndReason.GPU_ERROR, 0, 1),
        (EndReason.PLATFORM_ERROR, 0, 1),
        (EndReason.PREEMPTED, 0, 0),
    ],
)
def test_who_pays_for_another_attempt(reason, own, platform):
    job = end(run_on(builders.job(max_retries=3), builders.node()), reason)

    assert (job.state, job.retries_used, job.platform_retries_used) == ("pending", own, platform)


def test_a_job_in_back_off_lets_others_start_and_keeps_its_place_in_line():
    older = fail_at_once(builders.job(max_retries=1, name="older"), builders.node(cpus=1))
    younger, youngest = builders.job(name="younger"), builders.job(name="youngest")
    run_cycle()
    assert placed() == {younger}

    end(younger, EndReason.CANCELLED)
    Job.objects.filter(pk=older.pk).update(not_before=Now() - timedelta(seconds=1))
    run_cycle()

    assert placed() == {older}, "its back-off is over, and it is older than the one that waits"
    assert Job.objects.get(pk=youngest.pk).state == JobState.PENDING


def placed() -> set[Job]:
    return set(Job.objects.filter(state=JobState.QUEUED))


def test_the_same_failure_at_once_on_a_second_node_ends_the_job_with_a_reason():
    job = fail_at_once(builders.job(max_retries=5), builders.node(name="n1"))

    job = fail_at_once(job, builders.node(name="n2"))

    assert (job.state, job.end_reason, job.exit_code, job.retries_used) == ("failed", "exit_code", 2, 1)
    assert job.message.endswith("It failed at once and in the same way on n1 and n2: the fault is its own.")
    event = JobEvent.objects.get(job=job, kind="quarantined")
    assert event.data == {"nodes": ["n1", "n2"]}


def test_on_one_node_it_may_still_be_the_node():
    node = builders.node()
    job = fail_at_once(builders.job(max_retries=5), node)

    assert fail_at_once(job, node).state == JobState.PENDING


def test_a_failure_after_hours_is_tried_again():
    long_ago = timezone.now() - timedelta(hours=2)
    job = builders.job(max_retries=5)
    for name in ("n1", "n2"):
        Attempt.objects.filter(job=job).update(created_at=long_ago)
        job = run_on(job, builders.node(name=name))
        Attempt.objects.filter(job=job, ended_at=None).update(created_at=long_ago, started_at=long_ago)
        job = end(job, EndReason.EXIT_CODE, exit_code=2)

    assert (job.state, job.retries_used) == ("pending", 2)


def test_what_failed_before_its_owner_requeued_it_is_forgotten():
    job = fail_at_once(builders.job(max_retries=5), builders.node())
    Job.objects.filter(pk=job.pk).update(retries_used=0)

    assert fail_at_once(job, builders.node()).state == JobState.PENDING


def test_a_gang_is_at_fault_when_members_on_different_nodes_fail_alike():
    nodes = [builders.node(name=f"n{number}") for number in range(4)]
    job = builders.gang(*nodes[:2], state=PlacementState.RUNNING, max_retries=5)[0].attempt.job
    for first, second in ((nodes[0], nodes[1]), (nodes[2], nodes[3])):
        rows = list(Placement.objects.filter(attempt__job=job, closed_at=None).select_related("attempt", "node"))
        if not rows:
            Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
            job.refresh_from_db()
            again = builders.attempt(job=job, started_at=timezone.now())
            rows = [
                builders.placement(attempt=again, node=node, rank=rank, state=PlacementState.RUNNING)
                for rank, node in enumerate((first, second))
            ]
        refs = [PlacementRef(row.pk, str(row.attempt.token)) for row in rows]
        finish([PlacementOutcome(refs[1], EndReason.EXIT_CODE, exit_code=9)])
        finish([PlacementOutcome(refs[0], EndReason.GANG_ENDED)])

    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert JobEvent.objects.get(kind="quarantined").data == {"nodes": ["n1", "n3"]}


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)], ids=["fast", "slow"])
def test_the_wrong_clock_of_a_node_moves_no_start_out_of_its_attempt(ahead):
    job = builders.job(state=JobState.QUEUED, queued_at=database_now())
    placement = builders.placement(attempt=builders.attempt(job=job), node=builders.node())
    ref = PlacementRef(placement.pk, str(placement.attempt.token))
    claims.claim([ref], node_id=placement.node_id)
    claims.started({ref: timezone.now() + ahead}, node_id=placement.node_id)

    attempt = Attempt.objects.get()
    assert attempt.created_at <= attempt.started_at <= database_now()
    assert job.queued_at <= Job.objects.get().started_at <= database_now()


def test_the_wrong_clock_counts_as_little_in_the_report_of_an_end():
    job = builders.job(state=JobState.ASSIGNED, queued_at=database_now())
    builders.placement(attempt=builders.attempt(job=job), state=PlacementState.CLAIMED)

    end(job, EndReason.COMPLETED, exit_code=0, started_at=timezone.now() + timedelta(days=1))

    attempt = Attempt.objects.get()
    assert attempt.created_at <= attempt.started_at <= attempt.ended_at


def test_each_placement_remembers_how_its_own_command_ended():
    first = builders.running_job()
    end(first, EndReason.GPU_ERROR)

    assert Placement.objects.get().end_reason == "gpu_error"


def test_a_job_is_not_placed_again_where_it_failed_a_moment_ago(settings):
    first = builders.node(name="n1")
    builders.node(name="n2")
    job = end(run_on(builders.job(), first), EndReason.DISK_FULL)
    run_cycle()

    job.refresh_from_db()
    assert job.node.name == "n2"


def test_after_a_while_it_may_go_there_again(settings):
    settings.AVOID_SECONDS = 0
    end(run_on(builders.job(), builders.node(name="n1")), EndReason.DISK_FULL)

    assert [one.avoid for one in job_rows.read().waiting] == [()]


@pytest.mark.parametrize(
    ("reason", "checkpointable", "long", "avoids"),
    [
        (EndReason.DISK_FULL, True, True, True),
        (EndReason.EXIT_CODE, True, True, False),
        (EndReason.EXIT_CODE, True, False, True),
        (EndReason.EXIT_CODE, False, True, True),
        (EndReason.TIMEOUT, False, True, False),
        (EndReason.PREEMPTED, False, True, False),
    ],
)
def test_a_job_with_its_checkpoint_there_goes_back_unless_the_node_is_to_blame(reason, checkpointable, long, avoids):
    job = run_on(builders.job(max_retries=1, checkpointable=checkpointable), builders.node(name="n1"))
    if long:
        Attempt.objects.update(created_at=Now() - timedelta(hours=2), started_at=Now() - timedelta(hours=2))

    end(job, reason)

    assert [bool(one.avoid) for one in job_rows.read().waiting] == [avoids]


def test_only_where_the_last_two_attempts_failed_is_avoided():
    job = builders.job()
    for name in ("n1", "n2", "n3"):
        end(run_on(job, builders.node(name=name)), EndReason.NODE_LOST)

    assert [one.avoid for one in job_rows.read().waiting] == [("n2", "n3")]
