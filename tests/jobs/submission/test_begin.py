"""A job that is to begin later: it waits with that as its reason, has no age in line until then, and no wait is counted."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Job, JobEvent, Placement
from jobs.planning import cycle, snapshot
from jobs.planning.pool_scaling import scale_pools
from jobs.reports.metrics import open_jobs
from jobs.reports.quote import quote
from jobs.state.outcome import PlacementOutcome, PlacementRef
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from jobs.usage import job_counts
from quotas.models import Project, Quota
from scheduling.errors import InvalidError
from scheduling.lifecycle import EndReason, JobState
from tests import builders
from workers.models import NodePool

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def owner():
    return builders.member(project=builders.project(slug="vision"))


@pytest.fixture
def submitted(owner):
    def submit_one(**fields):
        spec = JobSpec(name="train", project="vision", command=("true",), **fields)
        return submit(specs=[spec], owner=owner)[0].job

    return submit_one


def moved_back(job: Job, by: timedelta) -> None:
    """As if all that is known of the job had happened so much earlier."""
    job.refresh_from_db()
    begin = job.begin_at - by if job.begin_at else None
    Job.objects.filter(pk=job.pk).update(created_at=job.created_at - by, begin_at=begin)
    for event in JobEvent.objects.filter(job=job):
        data = {**event.data, **({"begin_at": begin.isoformat()} if begin and "begin_at" in event.data else {})}
        JobEvent.objects.filter(pk=event.pk).update(at=event.at - by, data=data)


def seen(job: Job):
    [found] = [one for one in snapshot.take_snapshot().waiting if one.id == job.pk]
    return found


def test_it_waits_with_the_moment_as_its_reason_and_starts_with_the_first_cycle_after_it(submitted):
    builders.node()
    job = submitted(begin_at=timezone.now() + HOUR)

    assert cycle.run_cycle().placed == 0
    job.refresh_from_db()
    assert [one["code"] for one in job.reasons] == ["not_before"]
    assert f"{job.begin_at:%Y-%m-%d %H:%M:%S} UTC" in job.reasons[0]["sentence"]

    moved_back(job, 2 * HOUR)
    assert cycle.run_cycle().placed == 1


def test_one_that_begins_later_keeps_nobody_waiting(submitted):
    builders.node(cpus=1)
    later, now = submitted(begin_at=timezone.now() + HOUR, priority=90), submitted(priority=10)
    cycle.run_cycle()
    assert [Job.objects.get(pk=one.pk).state for one in (later, now)] == ["pending", "queued"]


def test_it_is_as_old_in_line_as_from_its_begin(submitted):
    job = submitted(begin_at=timezone.now() + HOUR)
    moved_back(job, 3 * HOUR)
    job.refresh_from_db()
    assert seen(job).waits_since == pytest.approx(job.begin_at.timestamp())


def test_a_hold_over_its_begin_does_not_make_it_older(submitted):
    job = submitted(begin_at=timezone.now() + HOUR)
    actions.hold(job_id=job.pk, actor="ann")
    moved_back(job, 3 * HOUR)
    Job.objects.filter(pk=job.pk).update(out_of_line_since=timezone.now() - 3 * HOUR)
    actions.release(job_id=job.pk, actor="ann")
    assert seen(job).waits_since == pytest.approx(timezone.now().timestamp(), abs=60)


def test_one_that_was_cancelled_before_it_began_still_waits_when_it_is_requeued(submitted):
    builders.node()
    job = submitted(begin_at=timezone.now() + HOUR)
    actions.cancel(job_id=job.pk, actor="ann")
    actions.requeue(job_id=job.pk, actor="ann")
    assert cycle.run_cycle().placed == 0


def test_the_time_before_it_is_no_wait_for_the_platform(submitted):
    builders.node()
    plain, later = submitted(), submitted(begin_at=timezone.now() + 3 * HOUR)
    for job in (plain, later):
        moved_back(job, 4 * HOUR)
    cycle.run_cycle()
    for placement in Placement.objects.select_related("attempt"):
        ref = PlacementRef(placement.pk, str(placement.attempt.token))
        claims.claim([ref], node_id=placement.node_id)
        finish([PlacementOutcome(ref, EndReason.COMPLETED, exit_code=0, started_at=timezone.now())])

    waits = [one.seconds for one in job_counts.counts() if one.series == "wait"]
    assert sorted(round(seconds / 3600) for seconds in waits) == [1, 4]


def test_the_longest_wait_of_the_metrics_leaves_it_out(submitted):
    job = submitted(begin_at=timezone.now() + 9 * HOUR)
    moved_back(job, 8 * HOUR)
    assert all(not one.waited_seconds for one in open_jobs._open_jobs({}))


def test_a_quote_says_when_it_would_begin(owner):
    builders.node()
    begin = timezone.now() + HOUR
    told = quote([JobSpec(name="train", project="vision", command=("true",), begin_at=begin)], owner).told
    assert not told.starts_now
    assert told.start.expected == pytest.approx(begin.timestamp(), abs=1)
    assert [reason.code for reason in told.reasons] == ["not_before"]


def test_a_pool_does_not_grow_for_a_job_before_it_may_begin(submitted):
    NodePool.objects.create(name="cpu", cpus=4, memory_mb=16_384, max_nodes=10)
    job = submitted(cpus=4, begin_at=timezone.now() + timedelta(days=1))
    cycle.run_cycle()
    scale_pools()
    assert NodePool.objects.get().demand_now == 0

    moved_back(job, timedelta(days=1, minutes=1))
    cycle.run_cycle()
    scale_pools()
    assert NodePool.objects.get().demand_now == 1


def test_it_counts_for_the_limit_of_waiting_jobs(submitted, owner):
    Quota.objects.create(project=Project.objects.get(slug="vision"), waiting_jobs=1)
    submitted(begin_at=timezone.now() + HOUR)
    with pytest.raises(InvalidError, match="waiting"):
        submitted()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"begin_at": timedelta(days=-2)}, "past"),
        ({"begin_at": timedelta(days=400)}, "too_late"),
        ({"begin_at": timedelta(hours=5), "deadline": timedelta(hours=4)}, "after_deadline"),
    ],
)
def test_a_moment_that_makes_no_sense_is_refused_by_name(submitted, fields, code):
    with pytest.raises(InvalidError) as refusal:
        submitted(**{name: timezone.now() + span for name, span in fields.items()})
    assert [(one.field, one.code) for one in refusal.value.errors] == [("begin_at", code)]


def test_one_that_has_just_passed_starts_in_its_turn(submitted):
    builders.node()
    submitted(begin_at=timezone.now() - HOUR)
    assert cycle.run_cycle().placed == 1
    assert Job.objects.get().state == JobState.QUEUED


def test_the_history_keeps_it(submitted):
    begin = datetime.now(UTC) + HOUR
    job = submitted(begin_at=begin)
    assert JobEvent.objects.get(job=job, kind="submitted").data == {"begin_at": begin.isoformat()}
