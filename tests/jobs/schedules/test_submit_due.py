"""What is due is submitted once, by the schedule's rules and its owner's rights of that moment."""

from datetime import timedelta

import pytest

from jobs.control import actions
from jobs.models import Job, JobSchedule
from jobs.schedules.schedules import Order, change, create
from jobs.schedules.submit_due import submit_due
from jobs.submission.job_spec import JobSpec
from quotas.clock import database_now
from quotas.models import Membership
from scheduling.lifecycle import JobState
from tests import builders
from tests.racing import beside

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    builders.queue()
    ada = builders.user(username="ada")
    builders.project(slug="vision", members=[ada])
    return ada


@pytest.fixture
def nightly(ada):
    def make(**terms):
        spec = JobSpec(name="report", project="vision", command=("python", "report.py"), labels={"kind": "report"})
        order = Order({"project": "vision", "command": ["python", "report.py"]}, spec)
        return create(owner=ada, name="nightly", order=order, cron="0 0 1 1 *", time_zone="UTC", **terms)

    return make


def due(schedule, *, ago=timedelta(seconds=1)):
    """As if its moment had come so long ago."""
    JobSchedule.objects.filter(pk=schedule.pk).update(next_at=database_now() - ago)
    return schedule


def test_a_job_comes_with_each_moment_and_not_before(nightly):
    schedule = nightly()
    assert submit_due() == 0

    due(schedule)

    assert (submit_due(), submit_due()) == (1, 0)
    job = Job.objects.get()
    assert (job.command, job.owner.username, job.project.slug) == (["python", "report.py"], "ada", "vision")
    assert job.labels == {"kind": "report", "schedule": "nightly"}
    schedule.refresh_from_db()
    assert (schedule.last_job, schedule.outcome) == (job.pk, f"Job {job.pk} was submitted late.")
    assert schedule.next_at > database_now()


def test_of_two_sweeps_at_once_one_submits_and_the_other_does_not_wait(nightly):
    due(nightly())

    assert beside(submit_due, submit_due) == 0
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("overlap", "jobs", "first"), [("skip", 1, "pending"), ("allow", 2, "pending"), ("replace", 2, "cancelled")]
)
def test_its_last_job_that_has_not_ended_counts_as_the_schedule_says(nightly, overlap, jobs, first):
    schedule = nightly(overlap=overlap)
    due(schedule)
    submit_due()
    due(schedule)

    submit_due()

    assert Job.objects.earliest("pk").state == first
    assert Job.objects.count() == jobs
    schedule.refresh_from_db()
    assert ("has not ended" in schedule.outcome) == (overlap == "skip")


def test_once_its_last_job_has_ended_the_next_one_comes(nightly):
    schedule = nightly()
    due(schedule)
    submit_due()
    actions.cancel(job_id=Job.objects.get().pk, actor="ada")
    due(schedule)

    assert submit_due() == 1


@pytest.mark.parametrize(("missed", "jobs"), [("once", 1), ("skip", 0)])
def test_of_missed_moments_one_job_comes_or_none(nightly, missed, jobs):
    schedule = nightly(missed=missed)
    due(schedule, ago=timedelta(days=40))

    submit_due()

    assert Job.objects.count() == jobs
    schedule.refresh_from_db()
    assert ("left out" in schedule.outcome) == (missed == "skip")
    assert schedule.next_at > database_now()


def test_who_has_no_right_any_more_gets_no_job_and_the_schedule_says_so(nightly, ada):
    schedule = due(nightly())
    Membership.objects.filter(user=ada).delete()

    assert submit_due() == 0

    schedule.refresh_from_db()
    assert schedule.outcome.startswith("Refused: ")
    assert schedule.next_at > database_now()


def test_who_has_left_gets_no_job(nightly, ada):
    due(nightly())
    ada.is_active = False
    ada.save()

    assert submit_due() == 0
    assert not Job.objects.exists()


def test_one_that_breaks_keeps_no_other_one_waiting(nightly, ada):
    broken = due(nightly())
    JobSchedule.objects.filter(pk=broken.pk).update(spec={"nonsense": 1}, name="broken")
    due(nightly())

    assert submit_due() == 1


def test_what_came_while_it_was_paused_is_not_made_up_for(nightly, ada):
    schedule = due(nightly())
    change(ada, schedule.pk, {"paused": True})
    assert submit_due() == 0

    resumed = change(ada, schedule.pk, {"paused": False})

    assert resumed.next_at > database_now()
    assert Job.objects.filter(state=JobState.PENDING).count() == 0


def test_it_ends_with_its_end(nightly, ada):
    schedule = due(nightly(ends_at=database_now() + timedelta(seconds=30)))

    submit_due()

    schedule.refresh_from_db()
    assert schedule.next_at is None or schedule.next_at <= schedule.ends_at
