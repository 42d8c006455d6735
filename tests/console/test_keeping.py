"""What keeps the platform going cannot be switched off in its admin; lists of thousands are searched, not unrolled."""

import pytest
from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from tests import builders
from tests.admin_pages import act, operator, page, staff, told

pytestmark = pytest.mark.django_db
TASKS = "/admin/django_celery_beat/periodictask/"
INTERVALS = "/admin/django_celery_beat/intervalschedule/"


@pytest.fixture
def client():
    return operator()


@pytest.fixture
def tasks():
    """All of the platform's own, and one of the operator's."""
    interval = IntervalSchedule.objects.create(every=5, period="seconds")
    for name in [*settings.CELERY_BEAT_SCHEDULE, "mine"]:
        PeriodicTask.objects.create(name=name, task="trainyard.run_cycle", interval=interval)
    return list(PeriodicTask.objects.order_by("name"))


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks"])
def test_the_platforms_own_tasks_stay_enabled(client, tasks, action):
    answer = act(client, TASKS, action, tasks)
    assert set(PeriodicTask.objects.filter(enabled=False).values_list("name", flat=True)) == {"mine"}
    assert "belong to the platform" in " ".join(told(answer))


def test_they_are_not_deleted_one_by_one_or_together_or_with_their_schedule(client, tasks):
    own = next(task for task in tasks if task.name != "mine")
    act(client, TASKS, "delete_selected", tasks, post="yes")
    act(client, INTERVALS, "delete_selected", [own.interval], post="yes")
    assert client.post(f"{TASKS}{own.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{INTERVALS}{own.interval_id}/delete/", {"post": "yes"}).status_code == 403
    assert PeriodicTask.objects.count() == len(tasks)


def test_neither_they_nor_their_interval_are_changed(client, tasks):
    own = next(task for task in tasks if task.name != "mine")
    assert client.post(f"{INTERVALS}{own.interval_id}/change/", {"every": "5", "period": "days"}).status_code == 403
    assert client.post(f"{TASKS}{own.pk}/change/", {"name": own.name}).status_code == 403
    assert IntervalSchedule.objects.get().period == "seconds"


def test_an_operators_own_task_is_the_operators(client, tasks):
    mine = PeriodicTask.objects.get(name="mine")
    assert client.post(f"{TASKS}{mine.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not PeriodicTask.objects.filter(name="mine").exists()


def test_filters_offer_a_search_instead_of_thousands_of_names(client):
    for number in range(30):
        builders.job(project=builders.project(slug=f"project-{number}"), owner=builders.user(username=f"user-{number}"))
    listed = page(
        client, "/admin/jobs/job/", project__id__exact=builders.project(slug="other").pk, state__exact="pending"
    )
    assert "admin-autocomplete" in listed
    assert "project-7" not in listed
    assert "user-7" not in listed
    assert '<input type="hidden" name="state__exact" value="pending">' in listed
    assert "other</option>" in listed


def test_a_filter_still_filters(client):
    one, other = builders.job(name="first-job"), builders.job(name="second-job")
    shown = page(client, "/admin/jobs/job/", project__id__exact=one.project_id)
    assert one.name in shown
    assert other.name not in shown


def test_whoever_may_not_see_users_gets_no_search_for_them():
    assert "filter-owner" not in page(staff("view_job"), "/admin/jobs/job/")


def test_times_have_a_zone(client):
    job = builders.attempt().job
    assert "\N{NO-BREAK SPACE}UTC" in page(client, "/admin/jobs/attempt/")
    assert "\N{NO-BREAK SPACE}UTC" in page(client, f"/admin/jobs/job/{job.pk}/change/")


def test_the_documentation_is_here_and_comes_from_here():
    page_ = operator("reader").get("/api/v1/docs").content.decode()
    assert "swagger-ui-bundle.js" in page_
    assert "http" not in page_.replace("https://", "http")
    assert (
        operator("other").get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js").status_code == 200
    )
