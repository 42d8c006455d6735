"""What an operator does to jobs in the admin goes through the use cases, and every refusal is shown."""

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job, JobEvent
from tests import builders
from tests.admin_pages import act, operator, page, staff, told

pytestmark = pytest.mark.django_db
JOBS = "/admin/jobs/job/"


@pytest.fixture
def client() -> Client:
    return operator("olga")


def change_page(job: Job) -> str:
    return f"{JOBS}{job.pk}/change/"


def test_cancel_counts_what_it_did_and_says_why_a_job_refused(client):
    waiting, running = builders.job(), builders.running_job()
    ended = builders.job(state="completed")
    answer = act(client, JOBS, "cancel", [waiting, running, ended], apply="yes")
    refusal = f"Job {ended.pk} has ended already: it is completed"
    assert told(answer) == [f"2 cancelled, 1 refused: {refusal}."]
    assert {job.state for job in Job.objects.filter(pk=waiting.pk)} == {"cancelled"}
    assert Job.objects.get(pk=running.pk).desired == "cancel"


@pytest.mark.parametrize("verb", ["cancel", "requeue", "pause"])
def test_what_stops_commands_asks_first_and_says_how_many(client, verb):
    jobs = [builders.running_job(), builders.job(name="<b>bold</b>")]
    asked = act(client, JOBS, verb, jobs).content.decode()
    assert f"{verb.capitalize()} 2 jobs, 1 of which holds a place on a node?" in asked
    assert "&lt;b&gt;bold" in asked
    assert {(job.state, job.desired) for job in Job.objects.all()} == {("running", ""), ("pending", "")}


def test_the_event_names_the_operator(client):
    job = builders.job()
    act(client, JOBS, "cancel", [job], apply="yes")
    assert JobEvent.objects.get(job=job, to_state="cancelled").actor == "olga"


def test_many_refusals_are_shortened(client):
    ended = [builders.job(state="failed") for _ in range(8)]
    (message,) = told(act(client, JOBS, "cancel", ended, apply="yes"))
    assert message.startswith("0 cancelled, 8 refused: ")
    assert message.endswith("; and 3 more.")


def test_requeue_puts_a_job_that_ended_back_in_line(client):
    failed, waiting = builders.job(state="failed"), builders.job()
    answer = act(client, JOBS, "requeue", [failed, waiting], apply="yes")
    assert told(answer) == [f"1 requeued, 1 refused: Job {waiting.pk} is pending already."]
    assert Job.objects.get(pk=failed.pk).state == "pending"


@pytest.mark.parametrize("action", ["cancel", "requeue", "pause", "suspend", "resume", "hold", "release"])
def test_whatever_is_asked_of_the_jobs_of_a_list_is_asked_for_first(client, action):
    jobs = [builders.job(name="<b>bold</b>"), builders.job(state="paused")]
    asked = act(client, JOBS, action, jobs).content.decode()
    assert f"{action.capitalize()}: 2 jobs (1 paused, 1 pending)" in asked
    assert "&lt;b&gt;bold" in asked
    assert not JobEvent.objects.exists()


def test_of_all_that_a_list_shows_only_those_change_that_were_there_when_it_was_asked(client):
    first = builders.job(name="sweep")
    asked = act(client, f"{JOBS}?q=sweep", "cancel", [first], select_across="1")
    newest = asked.context["newest"]
    later = builders.job(name="sweep")
    act(client, f"{JOBS}?q=sweep", "cancel", [first], select_across="1", newest=newest, apply="yes")
    assert [job.state for job in Job.objects.order_by("pk")] == ["cancelled", later.state]


def test_changing_the_priority_asks_first(client):
    job = builders.job(name="<b>bold</b>", priority=50)
    asked = act(client, JOBS, "change_priority", [job]).content.decode()
    assert "urgent (90)" in asked
    assert "&lt;b&gt;bold" in asked
    assert Job.objects.get(pk=job.pk).priority == 50


@pytest.mark.parametrize(
    ("answer", "priority"),
    [
        ({"word": "urgent"}, 90),
        ({"word": "background"}, 10),
        ({"number": "71"}, 71),
        ({"word": "urgent", "number": "0"}, 0),
    ],
)
def test_a_priority_is_a_class_or_a_number(client, answer, priority):
    job = builders.job()
    assert told(act(client, JOBS, "change_priority", [job], apply="yes", **answer)) == [
        f"1 changed to priority {priority}."
    ]
    assert Job.objects.get(pk=job.pk).priority == priority


@pytest.mark.parametrize("answer", [{}, {"number": "101"}, {"number": "-1"}, {"number": "soon"}, {"word": "asap"}])
def test_a_bad_priority_is_asked_for_again(client, answer):
    job = builders.job(priority=50)
    again = act(client, JOBS, "change_priority", [job], apply="yes", **answer)
    assert "errorlist" in again.content.decode()
    assert Job.objects.get(pk=job.pk).priority == 50


def test_the_priority_of_a_job_that_runs_is_refused(client):
    job = builders.running_job()
    (message,) = told(act(client, JOBS, "change_priority", [job], apply="yes", word="urgent"))
    assert message.startswith(f"0 changed to priority 90, 1 refused: Job {job.pk} is running")


@pytest.mark.parametrize("action", ["cancel", "requeue", "pause", "hold", "change_priority"])
def test_who_may_only_look_can_do_nothing_to_a_list(action):
    job = builders.job()
    act(staff("view_job"), JOBS, action, [job], apply="yes", word="urgent")
    assert (Job.objects.get(pk=job.pk).state, Job.objects.get(pk=job.pk).priority) == ("pending", 50)


def test_the_buttons_of_a_page_call_the_same_use_cases(client):
    job = builders.job()
    answer = client.post(f"{JOBS}{job.pk}/cancel/")
    assert (answer.url, told(answer)) == (change_page(job), ["1 cancelled."])
    assert told(client.post(f"{JOBS}{job.pk}/requeue/"))[-1] == "1 requeued."
    assert Job.objects.get(pk=job.pk).state == "pending"


@pytest.mark.parametrize("button", ["cancel", "requeue", "pause", "suspend", "resume", "hold", "release"])
def test_a_button_needs_a_post_the_right_and_a_job(client, button):
    job = builders.job()
    assert client.get(f"{JOBS}{job.pk}/{button}/").status_code == 405
    assert client.post(f"{JOBS}999999/{button}/").status_code == 404
    assert staff("view_job").post(f"{JOBS}{job.pk}/{button}/").status_code == 403
    assert Client().post(f"{JOBS}{job.pk}/{button}/").status_code == 302  # to the login
    assert Job.objects.get(pk=job.pk).state == "pending"


def test_a_button_needs_the_csrf_token():
    job = builders.job()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator().cookies
    assert strict.post(f"{JOBS}{job.pk}/cancel/").status_code == 403
    assert Job.objects.get(pk=job.pk).state == "pending"


def test_buttons_are_offered_when_they_would_work(client):
    running, waiting, ended = builders.running_job(), builders.job(), builders.job(state="failed")
    offered = {job.pk: page(client, change_page(job)) for job in (running, waiting, ended)}
    assert [f"Cancel job {pk}" in html for pk, html in offered.items()] == [True, True, False]
    assert [f"Requeue job {pk}" in html for pk, html in offered.items()] == [True, False, True]
    assert "Cancel job" not in page(staff("view_job"), change_page(running))


def test_jobs_are_paused_suspended_held_and_let_go_in_the_list_too(client):
    waiting, running = builders.job(), builders.running_job()
    assert told(act(client, JOBS, "hold", [waiting], apply="yes")) == ["1 held."]
    assert told(act(client, JOBS, "suspend", [running], apply="yes"))[-1] == "1 suspended."
    listed = page(client, JOBS)
    assert "held by olga" in listed
    assert "suspended" in listed

    assert told(act(client, JOBS, "release", [waiting], apply="yes"))[-1] == "1 released."
    assert told(act(client, JOBS, "resume", [running], apply="yes"))[-1] == "1 resumed."
    assert told(act(client, JOBS, "pause", [waiting, running], apply="yes"))[-1] == "2 paused."
    assert "being paused" in page(client, JOBS)


def test_each_job_is_offered_what_helps_it(client):
    suspended = builders.running_job(suspended_at=timezone.now())
    jobs = {
        "waiting": builders.job(), "held": builders.job(held_at=timezone.now(), held_by="ann"),
        "running": builders.running_job(), "suspended": suspended, "paused": builders.job(state="paused"),
    }  # fmt: skip
    words = ("Pause", "Suspend", "Resume", "Hold", "Release")
    pages = {name: page(client, change_page(job)) for name, job in jobs.items()}
    offered = {name: [word for word in words if f"{word} job " in html] for name, html in pages.items()}

    assert offered == {
        "waiting": ["Pause", "Hold"], "held": ["Pause", "Release"], "running": ["Pause", "Suspend"],
        "suspended": ["Pause", "Resume"], "paused": ["Resume"],
    }  # fmt: skip


def test_a_clone_asks_first_and_is_the_operators_own_job(client):
    builders.node()
    old = builders.job(state="failed", name="train", command=["train"])
    gone = builders.job(state="failed", project=builders.project(archived=True))
    assert "Clone 2 jobs" in act(client, JOBS, "clone_jobs", [old, gone]).content.decode()
    assert Job.objects.count() == 2

    answer = act(client, JOBS, "clone_jobs", [old, gone], apply="yes")
    new = Job.objects.get(state="pending")
    assert (new.name, new.command, new.owner.username) == ("train", ["train"], "olga")
    [words] = told(answer)
    assert words.startswith(f"1 submitted ({new.pk}), 1 refused: Job {gone.pk}: project: ")
