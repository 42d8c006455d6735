"""The pages about workloads."""

import pytest

from jobs.models import Job, Workload
from tests import builders
from tests.admin_pages import operator, page, queries, staff, told

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/workload/"


@pytest.fixture
def sweep():
    made = builders.workload(name="sweep", owner=builders.user(username="ann"))
    builders.job(project=made.project, workload=made, state="completed", name="lr-1")
    builders.job(project=made.project, workload=made, state="failed", name="lr-2", message="Exit code 3.")
    builders.job(project=made.project, workload=made, name="lr-3", reasons=[{"sentence": "Full."}])
    return made


def at(workload, verb="change"):
    return f"{LIST}{workload.pk}/{verb}/"


def test_the_list_shows_how_each_stands_with_a_bar_of_states(sweep):
    shown = page(operator(), LIST)
    assert "1 completed, 1 failed, 1 pending" in shown
    assert 'class="ty-part ty-of-failed" x1="33.33" x2="66.67"' in shown


def test_a_page_shows_figures_jobs_and_the_first_failure(sweep):
    shown = page(operator(), at(sweep))
    for words in ("lr-1", "lr-3", "Full.", "First failure", "Exit code 3.", "2 of 3", "Pause: sweep"):
        assert words in shown
    assert "Start: sweep" not in shown  # it was started


def test_a_button_asks_the_whole_and_a_refusal_is_told(sweep):
    client = operator()
    assert told(client.post(at(sweep, "cancel"))) == ["Workload sweep is cancelled."]
    assert set(Job.objects.values_list("state", flat=True)) == {"completed", "failed", "cancelled"}
    assert told(client.post(at(sweep, "resume")))[-1] == "Workload sweep is cancelled, and nothing takes that back."


def test_what_failed_is_retried_from_its_page(sweep):
    operator().post(at(sweep, "retry-failed"))
    assert Job.objects.get(name="lr-2").state == "pending"


def test_its_terms_are_changed_and_nothing_else(sweep):
    client = operator()
    fields = {"name": "sweep", "description": "of rates", "max_running": "4", "stop_on_failure": ""}
    assert client.post(at(sweep), fields).status_code == 302
    row = Workload.objects.get()
    assert (row.description, row.max_running, row.wanted) == ("of rates", 4, "open")


def test_who_may_only_look_presses_nothing(sweep):
    client = staff("view_workload")
    assert "Pause: sweep" not in page(client, at(sweep))
    assert client.post(at(sweep, "cancel")).status_code == 403
    assert Workload.objects.get().wanted == "open"


def test_one_is_deleted_once_its_jobs_have_ended(sweep):
    client = operator()
    assert client.post(at(sweep, "delete"), {"post": "yes"}).status_code == 403
    Job.objects.filter(state="pending").delete()
    client.post(at(sweep, "delete"), {"post": "yes"})
    assert not Workload.objects.exists()
    assert Job.objects.count() == 2


def test_the_list_keeps_its_number_of_queries(sweep):
    client = operator()
    few = queries(client, LIST)
    for _ in range(10):
        made = builders.workload(owner=builders.user())
        builders.job(project=made.project, workload=made)
    assert queries(client, LIST) == few
