"""Queues in the admin: how long each line is, pausing, draining, opening."""

import pytest
from django.test import Client

from jobs.models import Queue
from tests import builders
from tests.admin_pages import act, operator, page, staff

pytestmark = pytest.mark.django_db
QUEUES = "/admin/jobs/queue/"


@pytest.fixture
def client() -> Client:
    return operator()


def test_a_queue_counts_who_waits_and_who_runs(client):
    queue = builders.queue(name="live", max_running=4)
    for state in ("pending", "pending", "queued", "completed"):
        builders.job(queue=queue, state=state)
    builders.running_job(queue=queue)
    row = next(row for row in client.get(QUEUES).context["cl"].result_list if row.name == "live")
    assert (row.waiting_jobs, row.running_jobs) == (2, 2)
    assert ">2 of 4</a> <progress" in page(client, QUEUES)


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("drain", "draining"), ("reopen", "open")])
def test_queues_are_paused_drained_and_opened(client, action, state):
    queue = builders.queue(state="open" if action != "reopen" else "paused")
    act(client, QUEUES, action, [queue])
    assert Queue.objects.get(pk=queue.pk).state == state


def test_a_queue_takes_only_a_policy_that_exists(client):
    queue = builders.queue(rank=5)
    fields = {"name": queue.name, "rank": 7, "state": "open", "max_running": "", "description": ""}
    refused = client.post(f"{QUEUES}{queue.pk}/change/", fields | {"policy": "luck"})
    assert list(refused.context["adminform"].form.errors) == ["policy"]
    client.post(f"{QUEUES}{queue.pk}/change/", fields | {"policy": "fifo"})
    assert Queue.objects.filter(pk=queue.pk, policy="fifo", rank=7).exists()


def test_who_may_only_look_pauses_nothing():
    queue = builders.queue()
    act(staff("view_queue"), QUEUES, "pause", [queue])
    assert Queue.objects.get(pk=queue.pk).state == "open"


def test_a_queue_with_jobs_is_not_deleted(client):
    used, unused = builders.job().queue, builders.queue()
    assert client.post(f"{QUEUES}{used.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"{QUEUES}{unused.pk}/delete/", {"post": "yes"})
    assert set(Queue.objects.values_list("name", flat=True)) == {"live", "default", "batch"}
