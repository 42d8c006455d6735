"""What becomes of somebody who is made inactive: the streams end, the jobs go by the operator's rule."""

import pytest

from jobs.control import inactive_owners
from jobs.logs import followers
from jobs.logs.followers import Readers
from jobs.recovery import sweep
from quotas.models import Membership
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs():
    gone, here = builders.user(username="gone", is_active=False), builders.user()
    return [
        builders.job(owner=gone),
        builders.running_job(owner=gone),
        builders.job(owner=gone, state="completed"),
        builders.job(owner=here),
    ]


def test_by_default_the_jobs_of_who_is_inactive_go_on(jobs):
    assert sweep.recover().ownerless == 0


def test_by_the_other_rule_all_that_have_not_ended_are_cancelled_once(jobs, settings):
    settings.INACTIVE_OWNERS_JOBS = "cancel"
    assert [inactive_owners.cancel_their_jobs(), inactive_owners.cancel_their_jobs()] == [2, 0]

    for job in jobs:
        job.refresh_from_db()
    waiting, running, over, other = jobs
    assert (waiting.state, running.desired, over.state, other.state) == ("cancelled", "cancel", "completed", "pending")
    assert "gone is inactive" in waiting.message


def test_who_is_inactive_or_left_the_project_reads_no_further(monkeypatch):
    monkeypatch.setattr(followers, "LOOK_SECONDS", 0)
    team = builders.project()
    below = builders.project(parent=team)
    stays, leaves, inactive, staff = builders.member(project=team), builders.member(project=team), builders.member(project=team), builders.user(staff=True)  # fmt: skip
    readers = Readers()
    admitted = [readers.admit(user.pk, below.pk) for user in (stays, leaves, inactive, staff)]
    reading = [one.__enter__() for one in admitted]
    readers.refresh()
    assert all(reader.welcome for reader in reading)

    Membership.objects.filter(user=leaves).delete()
    inactive.is_active = False
    inactive.save()
    readers.refresh()
    assert [reader.welcome for reader in reading] == [True, False, False, True]
