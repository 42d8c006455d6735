"""Moving jobs from the admin, and the scheduler's settings there."""

import pytest
from django.utils import timezone

from jobs.models import JobMove, SchedulerSetting, SchedulerSettingChange
from jobs.planning.policy_settings import rules
from tests import builders
from tests.admin_pages import operator, page, staff, told

pytestmark = pytest.mark.django_db
SETTING = "/admin/jobs/schedulersetting/"


@pytest.fixture
def job():
    builders.node(name="n2", cpus=4)
    return builders.running_job(
        node=builders.node(name="n1", cpus=4), cpus=2, checkpointable=True, checkpoint_at=timezone.now()
    )


def address(job, name):
    return f"/admin/jobs/job/{job.pk}/{name}/"


def test_a_job_is_moved_and_its_move_called_off_from_its_page(job):
    client = operator()
    assert f"Migrate job {job.pk}" in page(client, address(job, "change"))

    answer = client.post(address(job, "migrate"), {"node": "n2", "reason": "noisy"})

    assert told(answer) == ["Moves from n1 to n2."]
    text = page(client, address(job, "change"))
    assert f"Call the move of job {job.pk} off" in text
    assert f"Migrate job {job.pk}" not in text
    assert "noisy" in page(client, "/admin/jobs/jobmove/", job__id__exact=job.pk)
    assert told(client.post(address(job, "call_off"))) == ["The move is called off."]
    assert JobMove.objects.get().message == "Called off by operator."


def test_what_is_refused_is_said(job):
    client = operator()
    assert told(client.post(address(job, "migrate"), {"node": "n1"})) == ["The job runs on n1 already."]
    assert "There is no node n9" in told(client.post(address(job, "migrate"), {"node": "n9"}))[-1]
    assert client.post(address(job, "call_off")).status_code == 404
    assert client.get(address(job, "migrate")).status_code == 405
    assert staff("view_job").post(address(job, "migrate")).status_code == 403


def test_a_setting_is_set_judged_and_given_back():
    client = operator()
    wrong = client.post(f"{SETTING}add/", {"name": "policy", "value": '"lottery"', "reason": ""})
    assert "Must be one of" in wrong.content.decode()
    client.post(f"{SETTING}add/", {"name": "policy", "value": '"fifo"', "reason": "drill"})
    assert (rules().policy, SchedulerSetting.objects.get().set_by) == ("fifo", "operator")
    client.post(f"{SETTING}policy/delete/", {"post": "yes"})

    assert rules().policy == "priority"
    assert [(row.old, row.new, row.by) for row in SchedulerSettingChange.objects.all()] == [
        ("fifo", None, "operator"), ("priority", "fifo", "operator"),
    ]  # fmt: skip
    assert "drill" in page(client, "/admin/jobs/schedulersettingchange/")
