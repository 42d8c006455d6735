"""Holding waiting jobs back, and releasing them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.control import actions
from jobs.models import Job, JobEvent
from jobs.planning import cycle, start_forecasts
from jobs.planning.snapshot import take_snapshot
from jobs.reports import explain
from jobs.state import transitions
from jobs.state.transitions import Transition
from scheduling.errors import ConflictError
from scheduling.lifecycle import JobState
from tests import builders
from tests.changing import change

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def hold(job: Job, reason: str = "") -> Job:
    return actions.hold(job_id=job.pk, actor="ann", reason=reason)


def release(job: Job) -> Job:
    return actions.release(job_id=job.pk, actor="bob")


def test_a_held_job_waits_with_the_name_of_who_holds_it_and_is_started_when_it_is_released():
    builders.node()
    job = hold(builders.job(), "waits for its data")

    assert cycle.run_cycle().placed == 0
    job.refresh_from_db()
    assert (job.state, job.reasons[0]["code"]) == ("pending", "held")
    assert "ann (waits for its data)" in job.reasons[0]["sentence"]

    release(job)
    assert cycle.run_cycle().placed == 1
    assert list(JobEvent.objects.values_list("kind", "actor"))[:2] == [("held", "ann"), ("released", "bob")]


def test_a_plan_made_before_the_hold_does_not_start_the_job():
    job = hold(builders.job())
    move = Transition(job.pk, JobState.QUEUED, "queued", frozenset({JobState.PENDING}), unless_held=True)

    assert transitions.apply([move]) == {}


@pytest.mark.parametrize("state", ["queued", "assigned", "running", "paused", "completed"])
def test_only_a_job_that_waits_in_line_is_held(state):
    with pytest.raises(ConflictError, match=state) as caught:
        hold(builders.job(state=state))
    assert caught.value.state == state


def test_neither_is_a_held_job_held_again_nor_another_one_released():
    job = hold(builders.job())

    with pytest.raises(ConflictError, match="held already, by ann"):
        hold(job)
    release(job)
    with pytest.raises(ConflictError, match="not held"):
        release(job)


def test_no_start_is_promised_to_a_held_job_nor_to_who_depends_on_it():
    builders.node()
    job = builders.job(promised=True, predicted_start=timezone.now())
    dependent = builders.job(depends_on=[job])
    held = hold(job)
    assert (held.promised, held.predicted_start) == (False, None)

    start_forecasts.refresh()

    assert set(Job.objects.values_list("predicted_start", flat=True)) == {None}
    told = explain.explain(Job.objects.get(pk=job.pk), builders.user(staff=True))
    assert (told.starts_now, told.start.expected, told.changes) == (False, None, ())
    waits = explain.explain(Job.objects.get(pk=dependent.pk), builders.user(staff=True))
    assert waits.start.expected is None


def test_a_held_job_gains_no_age_in_line():
    job = hold(builders.job(created_at=timezone.now() - 5 * HOUR))
    Job.objects.update(out_of_line_since=timezone.now() - 4 * HOUR)
    release(job)

    [waiting] = take_snapshot().waiting
    assert waiting.submitted_at == pytest.approx((timezone.now() - HOUR).timestamp(), abs=60)


@pytest.mark.parametrize(("ended", "age"), [(5, 3), (1, 0)])
def test_what_it_waited_for_others_before_or_during_a_hold_makes_it_no_older(ended, age):
    """Ten hours old and held for the last two: its dependency ended before, or meanwhile."""
    needed = builders.job(state="completed", finished_at=timezone.now() - ended * HOUR)
    job = hold(builders.job(created_at=timezone.now() - 10 * HOUR, depends_on=[needed]))
    Job.objects.filter(pk=job.pk).update(out_of_line_since=timezone.now() - 2 * HOUR)

    release(job)

    [seen] = take_snapshot().waiting
    assert seen.waits_since == pytest.approx((timezone.now() - age * HOUR).timestamp(), abs=60)


def test_a_hold_outlasts_a_pause_and_a_job_that_is_released_while_it_rests_stays_paused():
    job = hold(builders.job(created_at=timezone.now() - 5 * HOUR))
    Job.objects.update(out_of_line_since=timezone.now() - 4 * HOUR)
    actions.pause(job_id=job.pk, actor="ann")
    job = actions.resume(job_id=job.pk, actor="ann")
    assert (job.state, job.held_by, job.in_line_since) == ("pending", "ann", None)

    actions.pause(job_id=job.pk, actor="ann")
    assert release(job).state == "paused"
    job = actions.resume(job_id=job.pk, actor="ann")
    assert (job.state, job.held_at, job.out_of_line_since) == ("pending", None, None)
    assert job.in_line_since == pytest.approx(timezone.now() - HOUR, abs=timedelta(minutes=1))


def test_a_cancelled_job_is_not_held_any_more():
    job = hold(builders.job())
    job = actions.cancel(job_id=job.pk, actor="ann")

    assert (job.held_at, job.held_by) == (None, "")


def test_place_in_line_and_limit_of_a_held_job_may_be_changed():
    job = hold(builders.job())

    job = change(job_id=job.pk, actor="ann", priority=90, queue="live", max_runtime_seconds=60)
    assert (job.priority, job.queue.name, job.max_runtime_seconds, job.held_by) == (90, "live", 60, "ann")
