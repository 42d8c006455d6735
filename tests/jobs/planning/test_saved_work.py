"""What attempts have saved is remembered for each of them, and who never saves anything is believed no longer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job, JobEvent, Queue
from jobs.planning import cycle, saved_work, snapshot
from jobs.reports.job_history import history_of
from scheduling.lifecycle import EndReason
from tests import builders
from tests.jobs.planning.floor_yard import begin, restart_planner
from tests.jobs.planning.test_preemption import ended, fresh

pytestmark = pytest.mark.django_db
MINUTE, HOUR = 60, 3_600


@pytest.fixture(autouse=True)
def _floor(settings):
    settings.SCHEDULING_POLICY = "floor"
    restart_planner()


def stopped(*, ran, saved=None, reason=EndReason.PREEMPTED, **fields):
    """A job that ran for so long, wrote its last checkpoint after `saved` seconds, and was stopped."""
    began = timezone.now() - timedelta(seconds=ran)
    wrote = None if saved is None else began + timedelta(seconds=saved)
    job = builders.running_job(started_at=began, checkpoint_at=wrote, **{"checkpointable": True} | fields)
    return ended(job, reason, exit_code=143)


def seen(job):
    """The job as the next plan sees it, waiting or running."""
    taken = snapshot.take_snapshot()
    waiting, running = ({one.id: one for one in some} for some in (taken.waiting, taken.running))
    return waiting.get(job.pk) or running[job.pk]


def saved(job):
    return [None if one is None else round(one) for one in job.attempts.values_list("saved_seconds", flat=True)]


def test_a_cycle_writes_down_how_far_the_last_attempt_had_saved_its_work():
    job = stopped(ran=HOUR, saved=50 * MINUTE)
    saved_work.note()

    assert saved(job) == [3000]
    assert seen(job).saved_seconds == pytest.approx(3000, abs=1)


def test_what_an_attempt_has_saved_outlives_the_checkpoints_of_the_next():
    job = stopped(ran=HOUR, saved=50 * MINUTE)
    builders.node(name="n2", cpus=1)
    cycle.run_cycle()
    begin(job, ago=600)
    Job.objects.filter(pk=job.pk).update(checkpoint_at=timezone.now() - timedelta(seconds=200))
    assert seen(job).saved_seconds == pytest.approx(3000, abs=1)
    ended(job, EndReason.PREEMPTED, exit_code=143)

    cycle.run_cycle()

    assert saved(job)[:2] == [3000, 400]
    assert seen(job).saved_seconds == pytest.approx(3000 + 400 - 60, abs=1)  # to go on took a minute


@pytest.mark.parametrize(
    "fields", [{"saved": None}, {"saved": -100}, {"saved": 600, "checkpointable": False}, {"saved": 30 * HOUR}]
)
def test_nothing_was_saved_without_a_checkpoint_of_the_attempt_itself(fields):
    job = stopped(ran=1800, **fields)
    saved_work.note()

    assert saved(job) == [0]
    assert seen(job).saved_seconds == 0


def test_without_a_floor_nobody_has_to_know(settings):
    settings.SCHEDULING_POLICY = "priority"
    job = stopped(ran=HOUR, saved=1800, node=builders.node(state="draining"))
    cycle.run_cycle()
    assert saved(job) == [None]

    Queue.objects.filter(name="batch").update(policy="floor")
    cycle.run_cycle()

    assert saved(job) == [1800]


def test_who_was_stopped_after_long_and_left_no_checkpoint_is_not_believed_to_write_any():
    node = builders.node(name="n1", cpus=4)
    builders.running_job(node=node, cpus=2)
    wide = builders.job(cpus=4, created_at=timezone.now() - timedelta(days=1))
    job = stopped(ran=2 * HOUR, node=node, cpus=2)

    cycle.run_cycle()
    cycle.run_cycle()

    assert not seen(job).checkpointable
    assert (fresh(job).state, fresh(wide).state) == ("pending", "pending")  # there was room for it before its turn
    event = JobEvent.objects.get(job=job, kind="saves_nothing")
    assert event.message.startswith("It was stopped after 2h")
    assert fresh(job).checkpointable


@pytest.mark.parametrize(
    "fields",
    [
        {"ran": 1800},
        {"ran": 2 * HOUR, "saved": HOUR},
        {"ran": 2 * HOUR, "reason": EndReason.NODE_LOST},
        {"ran": 2 * HOUR, "checkpointable": False},
    ],
)
def test_nothing_is_held_against_who_ran_shortly_or_saved_something_or_was_not_told(fields):
    job = stopped(**fields)
    saved_work.note()

    assert not JobEvent.objects.filter(job=job, kind="saves_nothing").exists()
    assert seen(job).checkpointable is fresh(job).checkpointable


def test_an_attempt_that_never_began_has_saved_nothing():
    job = builders.job(state="queued", checkpointable=True)
    builders.placement(attempt=builders.attempt(job=job))
    assert ended(job, EndReason.PREEMPTED, charged=False).state == "pending"
    saved_work.note()

    assert list(Attempt.objects.values_list("saved_seconds", flat=True)) == [0]


def goes_on(*, said, says, saved=50 * MINUTE, ran=HOUR, **fields):
    """A job that said so much as it was stopped, goes on, and now says so much."""
    job = stopped(ran=ran, saved=saved, **fields)
    Job.objects.filter(pk=job.pk).update(progress=said)
    builders.node(name="n2", cpus=1)
    cycle.run_cycle()
    begin(job, ago=30)
    Job.objects.filter(pk=job.pk).update(progress=says)
    return job


def test_who_goes_on_from_nothing_though_it_had_saved_work_is_believed_no_longer_and_told_so():
    job = goes_on(said=0.6, says=0.02)

    saved_work.note()
    saved_work.note()

    [event] = JobEvent.objects.filter(job=job, kind="saves_nothing")
    assert event.message.startswith("It says that 2% are done, after it had said 60% and was stopped")
    assert (seen(job).checkpointable, seen(job).saved_seconds) == (False, 0)
    assert fresh(job).checkpointable
    assert event.message in [told.sentence for told in history_of(fresh(job))]


def test_what_it_has_written_since_counts_no_more_and_neither_does_what_its_end_is_reckoned_by():
    job = goes_on(said=0.6, says=0.02)
    saved_work.note()
    Job.objects.filter(pk=job.pk).update(checkpoint_at=timezone.now())
    ended(job, EndReason.PREEMPTED, exit_code=143)

    saved_work.note()

    assert (seen(job).checkpointable, seen(job).saved_seconds) == (False, 0)
    assert saved_work.before_the_last_attempt([job.pk]) == {}


def test_one_that_was_stopped_before_anybody_looked_is_found_out_as_it_waits():
    job = goes_on(said=0.6, says=0.02)
    ended(job, EndReason.PREEMPTED, exit_code=143)

    saved_work.note()

    assert not seen(job).checkpointable


@pytest.mark.parametrize(
    "fields",
    [
        {"said": 0.6, "says": 0.5},
        {"said": 0.6, "says": 0.3},  # uneven progress, or a checkpoint long before the stop
        {"said": 0.6, "says": None},
        {"said": None, "says": 0.01},
        {"said": 0.05, "says": 0.0},
        {"said": 0.6, "says": 0.02, "saved": 3 * MINUTE},  # there was hardly anything to go on from
        {"said": 0.6, "says": 0.02, "saved": None},
    ],
)
def test_nothing_is_held_against_who_may_have_gone_on_from_its_checkpoint_or_says_nothing(fields):
    job = goes_on(**fields)
    saved_work.note()

    assert not JobEvent.objects.filter(job=job, kind="saves_nothing", data__has_key="progress").exists()
    assert list(job.attempts.values_list("resumed", flat=True)) == [None, None]
