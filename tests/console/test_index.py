"""The admin's first page: the platform's name, what is looked at most, and whether the planner is alive."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Cycle
from tests import builders
from tests.admin_pages import operator, page, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return operator()


def cycle(**fields) -> None:
    Cycle.objects.update_or_create(pk=1, defaults=fields)


def test_the_first_page_shows_that_the_planner_is_alive(client):
    cycle(started_at=timezone.now(), duration_ms=12.34, waiting=7, placed=3)
    builders.job()
    html = page(client, "/admin/")
    assert "12.3 ms" in html
    assert 'state__exact=pending">1</a>' in html
    assert "The planner is late" not in html


@pytest.mark.parametrize("age", [timedelta(minutes=1), None])
def test_the_first_page_alarms_when_the_planner_is_late(client, settings, age):
    settings.CYCLE_SECONDS = 5
    cycle(started_at=timezone.now() - age if age else None)
    assert "The planner is late: a cycle is due every 5 s." in page(client, "/admin/")


def test_a_dead_node_is_an_alarm_and_one_that_said_goodbye_is_none(client):
    cycle(started_at=timezone.now())
    long_ago = timezone.now() - timedelta(hours=1)
    builders.node(heartbeat=long_ago, state="down")
    assert "ty-alarm" not in page(client, "/admin/")
    builders.node(heartbeat=long_ago)
    assert "ty-alarm" in page(client, "/admin/")


def test_the_panel_is_for_those_who_may_see_jobs_and_nodes():
    assert "ty-scheduler" not in page(staff("view_queue"), "/admin/")
    assert "ty-scheduler" in page(staff("view_job", "view_node"), "/admin/")


def test_jobs_come_first_under_the_platforms_name(client):
    html = page(client, "/admin/")
    assert "<title>Operations | Trainyard</title>" in html
    assert html.index("/admin/jobs/job/") < html.index("/admin/jobs/queue/") < html.index("/admin/auth/user/")


def test_the_beat_schedule_keeps_its_pages(client):
    assert page(client, "/admin/django_celery_beat/periodictask/")
