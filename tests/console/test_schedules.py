"""The pages about schedules."""

import pytest

from jobs.models import Job, JobSchedule
from jobs.schedules.schedules import Order, create
from jobs.submission.job_spec import JobSpec
from tests import builders
from tests.admin_pages import operator, page

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/jobschedule/"


@pytest.fixture
def nightly():
    builders.queue()
    ada = builders.user(username="ada")
    builders.project(slug="vision", members=[ada])
    given = {"project": "vision", "command": ["python", "report.py"], "env": {"TOKEN": "secret"}}
    order = Order(given, JobSpec(name="report", project="vision", command=("python", "report.py")))
    return create(owner=ada, name="nightly", order=order, cron="30 2 * * *", time_zone="Europe/Berlin")


def act(client, action, schedule):
    return client.post(LIST, {"action": action, "_selected_action": [schedule.pk]}, follow=True).content.decode()


def test_the_list_and_the_page_say_when_it_comes_and_hide_what_is_its_owners(nightly):
    client = operator()
    assert "30 2 * * * in Europe/Berlin" in page(client, LIST)
    shown = page(client, f"{LIST}{nightly.pk}/change/")
    assert "report.py" in shown
    assert "TOKEN" in shown
    assert "secret" not in shown


def test_staff_pause_and_resume_it_and_run_none_in_the_name_of_others(nightly):
    client = operator()
    act(client, "pause", nightly)
    assert JobSchedule.objects.get().paused
    act(client, "resume", nightly)
    assert not JobSchedule.objects.get().paused
    assert "runs in the name of ada" in act(client, "run", nightly)
    assert not Job.objects.exists()
