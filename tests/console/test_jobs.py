"""The list of jobs, as an operator sees it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from tests import admin_pages, builders

pytestmark = pytest.mark.django_db
JOBS = "/admin/jobs/job/"


@pytest.fixture
def operator() -> Client:
    return admin_pages.operator()


def page(client: Client, **query) -> str:
    return admin_pages.page(client, JOBS, **query)


def listed(client: Client, **query) -> set[str]:
    return {job.name for job in client.get(JOBS, query).context["cl"].result_list}


def test_a_row_shows_where_a_job_stands(operator):
    node = builders.node(name="gpu-a", gpus=2)
    builders.running_job(node=node, gpu_indices=[0, 1], cpus=8, gpu_model="h100", progress=0.4, priority=90)
    html = page(operator)
    for part in ("ty-running", "90<br><small>urgent", "2 × h100 GPU", "8 CPU", "gpu-a", "40%"):
        assert part in html


def test_a_waiting_job_shows_its_first_reason(operator):
    builders.job(
        reasons=[{"code": "quota", "sentence": "Its project is full."}, {"code": "ahead", "sentence": "Second."}]
    )
    assert 'title="Its project is full.\nSecond.\n">Its project is full.</span>' in page(operator)


def test_wait_counts_until_the_job_was_placed(operator):
    now = timezone.now()
    submitted, placed, started = (now - timedelta(minutes=minutes) for minutes in (10, 7, 6))
    builders.job(state="completed", created_at=submitted, queued_at=placed, started_at=started, finished_at=now)
    html = page(operator)
    assert "3m 00s" in html
    assert "6m 00s" in html


def test_the_wait_of_a_retried_job_starts_where_its_last_attempt_ended(operator):
    now = timezone.now()
    job = builders.job(created_at=now - timedelta(days=2), queued_at=now - timedelta(days=1))
    builders.attempt(job=job, ended_at=now - timedelta(hours=3), end_reason="node_lost")
    assert "3h 00m" in page(operator)


def test_a_name_full_of_html_is_harmless(operator):
    builders.job(name="<script>alert(1)</script>", reasons=[{"sentence": "<img onerror=x>"}])
    html = page(operator)
    assert "<script>alert" not in html
    assert "<img onerror" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"hardware": "gpu"}, {"big"}),
        ({"hardware": "cpu"}, {"small"}),
        ({"priority_class": "urgent"}, {"big"}),
        ({"priority_class": "background"}, {"small"}),
        ({"priority_class": "normal"}, set()),
        ({"state__exact": "paused"}, {"small"}),
        ({"owner__username": "nobody"}, set()),
        ({"q": "bi"}, {"big"}),
        ({"q": "key-1"}, {"small"}),
        ({"q": "vision"}, {"big"}),
        ({"q": "ana"}, {"small"}),
    ],
)
def test_filters_and_search(operator, query, found):
    builders.job(name="big", gpus=1, priority=70, project=builders.project(slug="vision"))
    owner = builders.user(username="ana")
    builders.job(name="small", priority=29, state="paused", submission_key="key-1", owner=owner)
    if "owner__username" in query:
        query = {"owner__id__exact": owner.pk + 1000}
    assert listed(operator, **query) == found


def test_a_number_finds_the_job_of_that_id(operator):
    wanted, _ = builders.job(name="wanted"), builders.job(name="other")
    assert listed(operator, q=str(wanted.pk)) == {"wanted"}
    assert listed(operator, q=f"#{wanted.pk}") == {"wanted"}


@pytest.mark.parametrize("search", ["9" * 40, "' or 1=1", "%", "½"])
def test_odd_searches_find_nothing_and_do_no_harm(operator, search):
    builders.job(name="job")
    assert listed(operator, q=search) == set()


def test_owners_are_searched_for_and_not_listed(operator):
    builders.job(owner=builders.user(username="ana"))
    builders.user(username="idle")
    html = page(operator)
    assert 'id="filter-owner"' in html
    assert "idle" not in html


def test_nobody_adds_a_job_here_and_the_list_says_where(operator):
    assert operator.get(f"{JOBS}add/").status_code == 403
    assert "trainyard submit" in page(operator)


def test_who_may_only_look_is_offered_no_action():
    builders.job()
    html = page(admin_pages.staff("view_job"))
    assert 'name="action"' not in html


def test_who_may_not_look_is_refused():
    assert admin_pages.staff().get(JOBS).status_code == 403


def test_any_column_sorts_the_list(operator):
    builders.running_job()
    builders.job()
    for column in range(1, 12):
        assert operator.get(JOBS, {"o": f"-{column}"}).status_code == 200


def test_active_jobs_and_jobs_that_others_wait_for_are_not_deleted(operator):
    active = builders.job(name="active")
    needed = builders.job(name="needed", state="failed")
    builders.job(name="waits", depends_on=[needed])
    over = builders.job(name="over", state="completed")
    selected = {"action": "delete_selected", "_selected_action": [active.pk, needed.pk, over.pk]}
    answer = operator.post(JOBS, selected | {"post": "yes"}).content.decode()
    assert "require deleting the following protected related objects" in answer
    assert Job.objects.count() == 4


def test_jobs_that_are_over_are_deleted_with_their_history(operator):
    over = builders.job(state="completed")
    builders.log(attempt=builders.attempt(job=over, ended_at=timezone.now(), end_reason="completed"))
    builders.event(job=over)
    operator.post(JOBS, {"action": "delete_selected", "_selected_action": [over.pk], "post": "yes"})
    assert not Job.objects.exists()
