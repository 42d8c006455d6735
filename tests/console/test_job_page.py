"""The page of one job: what it shows, and what may be edited on it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job, JobEvent, Preemption, Queue
from jobs.planning.snapshot import take_snapshot
from quotas.models import Price
from scheduling.snapshot import Shadow, ShadowJob
from tests import builders
from tests.admin_pages import operator, page, queries, staff, told
from tests.api.v1.test_outputs import CONTENT, Agent
from tests.scheduling.builders import waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return operator("olga")


def address(job: Job) -> str:
    return f"/admin/jobs/job/{job.pk}/change/"


def form(job: Job, **changes: Any) -> dict[str, Any]:
    """What a browser posts from the page of a job that waits."""
    fields = {
        "name": job.name, "labels": "{}", "queue": job.queue_id, "priority": job.priority, "max_retries": 0,
        "preemptible": "on", "max_runtime_seconds": "", "estimated_runtime_seconds": "", "stall_seconds": "",
        "stall_action": "stop", "on_dependency_failure": "cancel",
        "deadline_0": "", "deadline_1": "",
    }  # fmt: skip
    return fields | changes


def test_a_waiting_job_says_when_it_starts_why_not_now_and_what_would_start_it(client):
    node = builders.node(name="n1", gpus=4)
    busy = builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=7230, name="<busy>")
    job = builders.job(gpus=2)
    html = page(client, address(job))
    assert "<dt>Place in line</dt><dd>1 of 1</dd>" in html
    assert "<dd>probably in 2h 0" in html
    assert "<small>between " in html
    assert "<li>Needs 2 GPUs; node n1 has the most free: 1 of 4. <small>Clears in 2h 0" in html
    assert f">{busy.pk} &lt;busy&gt;</a>" in html
    assert "<li>With 1 GPU instead of 2 it would start now.</li>" in html


def test_where_a_floor_is_kept_a_waiting_job_says_by_when_it_starts_at_the_latest(client):
    queue = builders.queue(name="default", policy="floor")
    node = builders.node(name="n1", gpus=4)
    builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=7230, queue=queue)

    html = page(client, address(builders.job(gpus=2)))

    assert "<dt>Starts at the latest</dt><dd>in 2h 0" in html
    assert "<small>by the limits of those before it</small>" in html


def test_where_none_is_kept_it_promises_nothing(client):
    assert "at the latest" not in page(client, address(builders.job()))


def test_a_job_that_runs_before_its_turn_says_so(client, monkeypatch):
    builders.queue(name="default", policy="floor")
    job = builders.running_job()
    assert "Runs before its turn" not in page(client, address(job))
    early = Shadow(0.0, {job.pk: ShadowJob(waiting(job.pk))})
    monkeypatch.setattr("jobs.reports.explain.take_snapshot", lambda: replace(take_snapshot(), shadow=early))

    assert "<dt>Runs before its turn</dt><dd>and gives way when" in page(client, address(job))


def test_a_job_that_nothing_can_start_says_so(client):
    html = page(client, address(builders.job(gpus=2)))
    assert "<dd>not as things are</dd>" in html
    assert "<li>No node takes jobs: none is up, or those that are drain or have a full disk.</li>" in html


def test_a_job_that_is_held_has_no_place_in_line(client):
    job = builders.job(held_at=timezone.now(), held_by="ada")

    assert "<dt>Place in line</dt><dd>none: it could not start if there was room</dd>" in page(client, address(job))


def test_a_job_that_runs_has_no_outlook(client):
    assert "When it starts" not in page(client, address(builders.running_job()))


def test_the_timeline_tells_who_did_what_and_what_changed(client):
    job = builders.job()
    builders.event(job=job, kind="submitted", to_state="pending", actor="ana")
    change = {"from": {"priority": 50}, "to": {"priority": 90}}
    builders.event(job=job, kind="changed", actor="olga", message="hurry <b>up</b>", data=change)
    html = page(client, address(job))
    assert html.index("<td>submitted</td>") < html.index("<td>changed</td>")
    assert "<b>priority</b>: 50 → 90" in html
    assert "hurry &lt;b&gt;up&lt;/b&gt;" in html


@pytest.mark.parametrize("data", [{"from": 3, "to": [1]}, {"to": {"a": 1}}, [], "text"])
def test_an_event_with_odd_data_is_shown_all_the_same(client, data):
    job = builders.job()
    builders.event(job=job, kind="odd", data=data)
    assert "<td>odd</td>" in page(client, address(job))


def test_an_attempt_shows_its_node_its_gpus_and_why_it_ended(client):
    job = builders.job(state="failed")
    attempt = builders.attempt(job=job, ended_at=timezone.now(), end_reason="out_of_memory", exit_code=137)
    node = builders.node(name="gpu-a", gpus=4)
    builders.placement(attempt=attempt, node=node, gpu_indices=[2, 3], state="closed")
    html = page(client, address(job))
    assert "<div>2, 3</div>" in html
    assert f'/admin/workers/node/{node.pk}/change/">gpu-a</a>' in html
    assert "The command was stopped because it used more memory than it had." in html
    assert "<td>137</td>" in html


def test_the_log_is_the_end_of_the_latest_attempt_whatever_it_printed(client):
    job = builders.job(state="failed")
    first = builders.attempt(job=job, ended_at=timezone.now(), end_reason="exit_code")
    builders.log(attempt=first, data="of the first attempt")
    second = builders.attempt(job=job, ended_at=timezone.now(), end_reason="exit_code")
    builders.log(attempt=second, data=b"x" * 20_000 + b"begin")
    builders.log(attempt=second, data=b"\xff\x00 \x1b[31mred\x1b[0m <script>\n 1%\r99%\rdone\n")
    html = page(client, address(job))
    assert "of the first attempt" not in html
    assert "begin\N{REPLACEMENT CHARACTER} red &lt;script&gt;\ndone\n</pre>" in html
    assert 15_000 < html.count("x" * 10) * 10 < 16 * 1024
    assert f"trainyard logs {job.pk}" in html


def test_secrets_in_the_environment_stay_hidden(client):
    html = page(client, address(builders.job(env={"HF_TOKEN": "hf_123", "SEED": "4"}, command=["sh", "-c", "a b"])))
    assert "hf_123" not in html
    assert "SEED=4" in html
    assert "sh -c &#x27;a b&#x27;" in html


def test_metrics_and_needs_are_shown(client):
    needed = builders.job(name="prepare", state="completed")
    job = builders.job(metrics={"loss": 0.25, "<i>": "<u>"}, depends_on=[needed])
    html = page(client, address(job))
    assert "<dt>loss</dt><dd>0.25</dd>" in html
    assert "<dt>&lt;i&gt;</dt><dd>&lt;u&gt;</dd>" in html
    assert f"{needed.pk} prepare</a> (completed)" in html


def test_an_edit_is_made_by_the_use_case(client):
    job = builders.job(priority=50)
    live = Queue.objects.get(name="live")
    answer = client.post(address(job), form(job, priority=80, queue=live.pk, labels='{"team": "vision"}'))
    job.refresh_from_db()
    assert (answer.status_code, job.priority, job.queue.name, job.labels) == (302, 80, "live", {"team": "vision"})
    event = JobEvent.objects.get(job=job, kind="changed")
    assert (event.actor, event.data["to"]["priority"]) == ("olga", 80)


def test_what_it_is_expected_to_cost_follows_a_new_limit(client):
    builders.node(cpus=4)
    Price.objects.create(target="cpu", per_hour=2, currency="EUR", valid_from=timezone.now() - timedelta(days=1))
    job = builders.job(cpus=1, max_runtime_seconds=3600)
    client.post(address(job), form(job, max_runtime_seconds=7200))
    job.refresh_from_db()
    assert (job.max_runtime_seconds, job.estimated_cost) == (7200, Decimal(4))


def test_a_save_without_an_edit_changes_nothing(client):
    job = builders.job()
    client.post(address(job), form(job))
    assert not JobEvent.objects.filter(job=job).exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("priority", 101), ("priority", "asap"), ("labels", "[1]"), ("labels", '{"a": 1}'), ("labels", "{"), ("name", ""),
     ("name", "a\0b"), ("queue", 999), ("deadline_0", "soon"), ("max_retries", -1), ("max_retries", 101),
     ("max_runtime_seconds", 0), ("labels", '{"a=b": ""}')],
)  # fmt: skip
def test_a_bad_value_is_named_beside_its_field(client, field, value):
    job = builders.job(priority=50)
    answer = client.post(address(job), form(job, **{field: value}))
    assert list(answer.context["adminform"].form.errors) == [field.removesuffix("_0")]
    assert Job.objects.get(pk=job.pk).priority == 50


def test_a_job_that_left_the_line_meanwhile_keeps_its_place(client):
    job = builders.running_job()
    answer = client.post(address(job), form(job, priority=80))
    assert answer.url == address(job)
    assert told(answer) == [f"Job {job.pk} is running: priority can only be changed while it waits."]
    assert Job.objects.get(pk=job.pk).priority == 50


def test_a_queue_that_drains_takes_no_job(client):
    job = builders.job()
    draining = builders.queue(name="old", state="draining")
    answer = client.post(address(job), form(job, queue=draining.pk))
    assert told(answer) == ["queue: Queue old is draining and takes no new jobs."]


def test_a_job_that_runs_may_still_be_renamed(client):
    job = builders.running_job()
    client.post(address(job), {"name": "better", "labels": "{}"})
    assert Job.objects.get(pk=job.pk).name == "better"


def test_the_state_cannot_be_written(client):
    job = builders.job()
    client.post(address(job), form(job, state="completed", project=builders.project().pk, owner=1, command='["rm"]'))
    fresh = Job.objects.get(pk=job.pk)
    assert (fresh.state, fresh.project, fresh.owner, fresh.command) == (job.state, job.project, job.owner, job.command)


def test_who_may_only_look_cannot_edit():
    job = builders.job()
    viewer = staff("view_job")
    assert 'name="priority"' not in page(viewer, address(job))
    assert viewer.post(address(job), form(job, priority=80)).status_code == 403


def test_only_a_job_that_is_over_can_be_deleted(client):
    active, over = builders.job(), builders.job(state="cancelled")
    assert client.get(f"/admin/jobs/job/{active.pk}/delete/").status_code == 403
    client.post(f"/admin/jobs/job/{over.pk}/delete/", {"post": "yes"})
    assert list(Job.objects.all()) == [active]


def test_a_page_takes_the_same_queries_however_much_happened(client):
    short, long = builders.job(state="failed"), builders.job(state="failed")
    for job, repeats in ((short, 1), (long, 15)):
        for _ in range(repeats):
            ended = timezone.now() - timedelta(minutes=1)
            attempt = builders.attempt(job=job, ended_at=ended, end_reason="exit_code")
            builders.placement(attempt=attempt, state="closed")
            builders.log(attempt=attempt)
            builders.event(job=job)
    assert queries(client, address(short)) == queries(client, address(long))


def test_a_deadline_must_lie_ahead(client):
    job = builders.job()
    past = client.post(address(job), form(job, deadline_0="2020-01-01", deadline_1="00:00:00"))
    assert past.context["adminform"].form.errors == {"deadline": ["Must lie in the future."]}
    client.post(address(job), form(job, deadline_0="2999-01-01", deadline_1="00:00:00"))
    assert Job.objects.get(pk=job.pk).deadline.year == 2999


def test_an_attempt_that_gave_way_tells_for_whom_and_what_it_cost(client):
    job, urgent = builders.running_job(checkpoint_at=timezone.now()), builders.job(promised=True)
    Preemption.objects.create(attempt=job.attempts.get(), for_job=urgent, strategy="priority", lost_seconds=90)

    html = page(client, address(job))

    assert f'to give way to <a href="{address(urgent)}">job {urgent.pk}</a> (priority), about 90 s of work' in html
    assert "<dt>Last checkpoint</dt>" in html
    assert "<dd>being made for it</dd>" in page(client, address(urgent))
    assert "90 s" in page(client, "/admin/jobs/preemption/")


def test_a_job_says_what_it_has_left_and_links_to_it(client, settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    job = builders.job(state="queued")
    assert "Outputs of attempt" not in page(client, address(job))
    agent = Agent(job)
    agent.leave("<model>.pt")
    agent.complete(left_out=3, left_out_bytes=2048)
    html = page(client, address(job))
    link = f"/api/v1/jobs/{job.pk}/outputs/%3Cmodel%3E.pt?attempt=1&amp;kind=output"
    assert f'<a href="{link}">&lt;model&gt;.pt</a>' in html
    assert "3 more with 2.0" in html
    assert b"".join(client.get(link.replace("&amp;", "&")).streaming_content) == CONTENT
