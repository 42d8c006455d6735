"""The same asked of many jobs: by ids or by a filter, for those whom the caller may ask."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from api.v1 import selection
from jobs.messages import remote_control
from jobs.models import Job, JobEvent
from jobs.submission import limits
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def client(project):
    return client_of(builders.member(project=project, user=builders.user(username="ann")))


@pytest.fixture
def ask(client):
    def post(verb, **body):
        return client.post(f"{V1}/jobs/{verb}", body)

    return post


def states(*jobs):
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_what_became_of_each_is_told(ask, project):
    waits, runs = builders.job(project=project), builders.running_job(project=project)
    over, going = builders.job(project=project, state="failed"), builders.running_job(project=project, desired="cancel")
    answer = ask("cancel", ids=[waits.pk, runs.pk, over.pk, going.pk, 10**9]).json()

    assert answer == {
        "matched": 5, "changed": 2, "unchanged": 1, "refused": 2, "dry_run": False,
        "jobs": [waits.pk, runs.pk], "newest": going.pk,
        "refusals": [
            {"job": over.pk, "reason": f"Job {over.pk} has ended already: it is failed."},
            {"job": 10**9, "reason": f"There is no job {10**9}."},
        ],
    }  # fmt: skip
    assert states(waits, runs) == ["cancelled", "running"]
    assert Job.objects.get(pk=runs.pk).desired == "cancel"


def test_each_job_has_an_event_of_its_own(ask, project):
    jobs = [builders.job(project=project) for _ in range(3)]
    ask("cancel", ids=[job.pk for job in jobs])
    assert list(JobEvent.objects.values_list("job_id", "kind", "actor").order_by("job_id")) == [
        (job.pk, "cancelled", "ann") for job in jobs
    ]


def test_the_nodes_of_all_that_run_are_told_in_one_call(ask, project, monkeypatch, django_capture_on_commit_callbacks):
    calls = []
    monkeypatch.setattr(remote_control.caller, "call", lambda names: calls.append(set(names)))
    nodes = [builders.node() for _ in range(3)]
    for node in nodes:
        builders.running_job(project=project, node=node)
    with django_capture_on_commit_callbacks(execute=True):
        ask("cancel", filter={"state": "running"})
    assert calls == [{node.name for node in nodes}]


@pytest.mark.parametrize(
    "conditions",
    [
        {"queue": "batch"}, {"name": "sweep-*"}, {"name": "sweep-?"}, {"label": "sweep=lr"}, {"label": {"sweep": "lr"}},
        {"project": "vision", "state": ["pending"], "queue": "batch"}, {"priority_max": 10}, {"owner": "me", "name": "sweep"},
    ],
    ids=str,
)  # fmt: skip
def test_a_filter_means_what_a_list_would_show(ask, client, project, conditions):
    meant = builders.job(
        project=project,
        queue="batch",
        name="sweep-1",
        labels={"sweep": "lr"},
        priority=10,
        owner=User.objects.get(username="ann"),
    )
    other = builders.job(project=project, name="other", labels={"sweep": "bs"})
    assert ask("cancel", filter=conditions).json()["jobs"] == [meant.pk]
    assert states(meant, other) == ["cancelled", "pending"]


def test_a_name_with_a_star_is_the_whole_name(ask, project):
    names = ["train", "pretrain", "train-2", "TRAIN.x"]
    for name in names:
        builders.job(project=project, name=name)
    told = ask("cancel", filter={"name": "train*"}, dry_run=True).json()["jobs"]
    assert list(Job.objects.filter(pk__in=told).order_by("pk").values_list("name", flat=True)) == [
        "train",
        "train-2",
        "TRAIN.x",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"), ({"filter": {}}, "filter"), ({"all": False}, "filter"), ({"ids": []}, "ids"),
        ({"ids": [1], "filter": {"queue": "batch"}}, "ids"), ({"ids": [1], "all": True}, "ids"), ({"ids": "1"}, "ids"),
        ({"filter": []}, "filter"), ({"filter": {"name": ""}}, "filter.name"), ({"filter": {"state": []}}, "filter.state"),
        ({"filter": {"queue": None}}, "filter.queue"), ({"filter": {"queue": ["a", "b"]}}, "filter.queue"),
        ({"filter": {"state": "waiting"}}, "filter.state"), ({"filter": {"queu": "batch"}}, "filter.queu"),
        ({"filter": {"label": {"a": 1}}}, "filter.label"), ({"filter": {"priority_min": "x"}}, "filter.priority_min"),
        ({"all": True, "reasons": "x"}, "reasons"), ({"all": True, "reason": "x" * 201}, "reason"),
    ],
    ids=str,
)  # fmt: skip
def test_what_means_nothing_in_particular_is_refused(ask, project, body, field):
    job = builders.job(project=project)
    assert field in faults(ask("cancel", **body))
    assert states(job) == ["pending"]


def test_all_can_be_meant(ask, project):
    jobs = [builders.job(project=project) for _ in range(2)]
    assert ask("cancel", all=True).json()["changed"] == 2
    assert states(*jobs) == ["cancelled"] * 2


def test_nothing_happens_in_a_dry_run(ask, project):
    jobs = [builders.job(project=project), builders.running_job(project=project)]
    told = ask("cancel", all=True, dry_run=True).json()
    assert (told["changed"], told["dry_run"], told["jobs"]) == (2, True, [job.pk for job in jobs])
    assert states(*jobs) == ["pending", "running"]
    assert not JobEvent.objects.exists()


def test_jobs_of_others_do_not_exist(ask, project):
    foreign = builders.job()
    assert ask("cancel", ids=[foreign.pk]).json()["refusals"] == [
        {"job": foreign.pk, "reason": f"There is no job {foreign.pk}."}
    ]
    assert ask("cancel", all=True).json()["matched"] == 0
    assert states(foreign) == ["pending"]


def test_who_may_only_look_changes_nothing(project):
    job = builders.job(project=project)
    viewer = client_of(builders.member(project=project, role="viewer"))
    [refusal] = viewer.post(f"{V1}/jobs/cancel", {"all": True}).json()["refusals"]
    assert refusal == {"job": job.pk, "reason": "You may look at project vision, but not change its jobs."}
    assert states(job) == ["pending"]


@pytest.mark.parametrize(
    ("verb", "more", "before", "after"),
    [
        ("pause", {}, {}, {"state": "paused"}), ("resume", {}, {"state": "paused"}, {"state": "pending"}),
        ("hold", {"reason": "no data"}, {}, {"held_by": "ann", "held_reason": "no data"}),
        ("release", {}, {"held_at": timezone.now(), "held_by": "bob"}, {"held_by": ""}),
        ("requeue", {}, {"state": "failed"}, {"state": "pending"}), ("cancel", {}, {"state": "paused"}, {"state": "cancelled"}),
    ],
    ids=["pause", "resume", "hold", "release", "requeue", "cancel"],
)  # fmt: skip
def test_a_filter_without_a_state_means_those_of_whom_it_can_be_asked(ask, project, verb, more, before, after):
    meant = builders.job(project=project, **before)
    others = [builders.job(project=project, state="completed")]
    answer = ask(verb, filter={"project": "vision"}, **more).json()
    assert (answer["jobs"], answer["refused"]) == ([meant.pk], 0)
    job = Job.objects.get(pk=meant.pk)
    assert {name: getattr(job, name) for name in after} == after
    assert states(*others) == ["completed"]


@pytest.mark.parametrize(
    ("verb", "state"),
    [("cancel", "pending"), ("cancel", "running"), ("pause", "pending"), ("pause", "running"), ("hold", "pending")],
)
def test_why_it_was_asked_stands_in_the_history_of_each(ask, project, verb, state):
    jobs = [
        builders.job(project=project) if state == "pending" else builders.running_job(project=project) for _ in range(2)
    ]
    assert ask(verb, all=True, reason="The rack is moved.").json()["changed"] == 2
    for job in jobs:
        assert "The rack is moved." in JobEvent.objects.filter(job=job).latest("id").message


def test_why_they_were_changed_stands_in_their_history(client, project):
    job = builders.job(project=project)
    body = {"all": True, "priority": 10, "reason": "Not so urgent."}
    assert client.patch(f"{V1}/jobs", body).json()["changed"] == 1
    event = JobEvent.objects.get(job=job)
    assert (event.kind, event.message) == ("changed", "Not so urgent.")


def test_running_jobs_stand_still(ask, project):
    job = builders.running_job(project=project)
    assert ask("pause", all=True, suspend=True).json()["changed"] == 1
    assert Job.objects.get(pk=job.pk).suspended


def test_later_jobs_are_kept_out(ask, project):
    first, _ = builders.job(project=project), builders.job(project=project)
    assert ask("cancel", filter={"id_max": first.pk}).json()["jobs"] == [first.pk]


def test_too_many_are_refused(ask, project, monkeypatch):
    monkeypatch.setattr(limits, "MANY", 1)
    jobs = [builders.job(project=project) for _ in range(2)]
    assert "narrow" in faults(ask("cancel", all=True))["filter"]
    assert states(*jobs) == ["pending"] * 2


def test_many_change_their_place_in_line(client, project):
    jobs = [builders.job(project=project), builders.job(project=project, priority=10)]
    runs = builders.running_job(project=project)
    body = {"ids": [job.pk for job in [*jobs, runs]], "priority": "low", "queue": "batch"}
    answer = client.patch(f"{V1}/jobs", body).json()
    assert (answer["changed"], [one["job"] for one in answer["refusals"]]) == (2, [runs.pk])
    assert set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("priority", "queue__name")) == {
        (10, "batch")
    }
    assert JobEvent.objects.get(job=jobs[1]).data["to"].keys() == {"queue_id"}


def test_labels_are_changed_of_jobs_that_run_too(client, project):
    job = builders.running_job(project=project)
    assert client.patch(f"{V1}/jobs", {"filter": {"state": "running"}, "labels": {"a": "b"}}).json()["changed"] == 1
    assert client.patch(f"{V1}/jobs", {"all": True, "labels": {"a": "b"}}).json()["unchanged"] == 1
    assert Job.objects.get(pk=job.pk).labels == {"a": "b"}


def test_a_placed_job_that_nobody_claimed_stays_placed_with_other_labels(client, project):
    job = builders.job(project=project, state="queued")
    builders.placement(attempt=builders.attempt(job=job))
    assert client.patch(f"{V1}/jobs/{job.pk}", {"labels": {"a": "b"}}).json()["labels"] == {"a": "b"}
    assert client.patch(f"{V1}/jobs", {"ids": [job.pk], "labels": {"a": "c"}}).json()["changed"] == 1
    assert states(job) == ["queued"]


@pytest.mark.parametrize(
    ("terms", "field"),
    [({}, "priority"), ({"queue": "nowhere"}, "queue"), ({"priority": 101}, "priority"), ({"command": ["x"]}, "command"),
     ({"deadline": "2001-01-01T00:00:00Z"}, "deadline")],
    ids=str,
)  # fmt: skip
def test_a_change_that_cannot_be_made_is_named(client, project, terms, field):
    builders.job(project=project)
    assert field in faults(client.patch(f"{V1}/jobs", {"all": True, **terms}))


@pytest.mark.parametrize("verb", ["cancel", "requeue", "pause", "resume", "hold", "release"])
def test_a_thousand_take_as_many_statements_as_one(ask, project, verb, django_assert_max_num_queries):
    first = builders.job(project=project)
    rows = [Job(name="n", project=project, queue=first.queue, command=["true"]) for _ in range(300)]
    Job.objects.bulk_create(rows)
    if verb in ("requeue", "resume"):
        ask("cancel" if verb == "requeue" else "pause", all=True)
    if verb == "release":
        ask("hold", all=True)
    with django_assert_max_num_queries(20):
        assert ask(verb, all=True).json()["changed"] == 301


def test_placed_jobs_that_nobody_claimed_are_cancelled_together(ask, project, django_assert_max_num_queries):
    for _ in range(5):
        job = builders.job(project=project, state="queued")
        builders.placement(attempt=builders.attempt(job=job))
    with django_assert_max_num_queries(40):
        assert ask("cancel", all=True).json()["changed"] == 5
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}


def test_a_filter_knows_every_verb():
    assert selection.USUAL.keys() >= {"cancel", "requeue", "pause", "suspend", "resume", "hold", "release", "change"}
