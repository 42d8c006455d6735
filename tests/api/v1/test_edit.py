"""PATCH /jobs/{id} of what a waiting job asks for and runs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import CappedJob, Job, JobEvent, TokenCaps
from jobs.planning import cycle
from quotas.models import Price, Quota
from scheduling.lifecycle import JobState
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def owner(project):
    return builders.member(project=project, user=builders.user(username="ada"))


@pytest.fixture
def job(project, owner):
    return builders.job(project=project, owner=owner, cpus=1, env={"LR": "0.1", "TOKEN": "s3cret"})


@pytest.fixture
def edit(owner, job):
    def patch(user=None, **body):
        return client_of(user or owner).patch(f"{V1}/jobs/{job.pk}", body)

    return patch


def now_of(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_it_asks_for_other_things_and_is_placed_by_them(edit, job):
    builders.node(cpus=4, gpus=2)
    answer = edit(resources={"gpus": 2, "cpus": 3}, command=["python", "b.py"], max_runtime_seconds=7200, name="b")
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["resources"]["gpus"], said["resources"]["cpus"], said["command"]) == (2, 3, ["python", "b.py"])
    assert cycle.run_cycle().placed == 1
    assert len(now_of(job).attempts.get().placements.get().gpu_indices) == 2


def test_what_is_not_named_stays_and_a_variable_is_taken_away_with_null(edit, job):
    edit(env={"LR": None, "SEED": "7"}, resources={"cpus": 2})
    changed = now_of(job)
    assert (changed.env, changed.cpus, changed.gpus) == ({"TOKEN": "s3cret", "SEED": "7"}, 2, 0)


def test_its_history_has_old_and_new_but_no_value_of_a_variable(edit, job):
    edit(env={"TOKEN": "other", "SEED": "7"}, resources={"cpus": 2})
    event = JobEvent.objects.get(job=job, kind="changed")
    assert (event.actor, event.data["from"]["cpus"], event.data["to"]["cpus"]) == ("ada", 1, 2)
    assert event.data["variables"] == ["SEED", "TOKEN"]
    assert "s3cret" not in str(event.data)
    assert "other" not in str(event.data)


def test_its_history_has_the_reason(edit, job):
    assert edit(resources={"cpus": 2}, reason="It swaps.").status_code == 200
    assert JobEvent.objects.get(job=job, kind="changed").message == "It swaps."
    assert list(faults(edit(resources={"cpus": 3}, reason=7))) == ["reason"]
    assert list(faults(edit(reason="It swaps."))) == ["reason"]
    assert list(faults(edit(resources={"cpus": 3}, reason="x" * 201))) == ["reason"]


def test_it_keeps_its_age_in_line(edit, job):
    before = now_of(job)
    edit(resources={"cpus": 2})
    after = now_of(job)
    assert (after.created_at, after.in_line_since) == (before.created_at, None)


@pytest.mark.parametrize("state", ["queued", "assigned", "running", "completed"])
def test_one_that_waits_no_longer_is_refused_by_the_name_of_its_state(edit, job, state):
    over = {"finished_at": timezone.now()} if state == "completed" else {}
    Job.objects.filter(pk=job.pk).update(state=state, **over)
    answer = edit(resources={"gpus": 1})
    assert (answer.status_code, answer.json()["state"]) == (409, state)
    assert f"Job {job.pk} is {state}: gpus can only be changed while it waits." in answer.json()["detail"]
    assert now_of(job).gpus == 0


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.PAUSED])
def test_one_that_is_held_or_paused_is_changed_too(edit, job, state):
    Job.objects.filter(pk=job.pk).update(state=state, held_at=timezone.now(), held_by="ann")
    builders.node(gpus=1)
    assert edit(resources={"gpus": 1}).status_code == 200
    assert now_of(job).gpus == 1


def test_what_a_submission_refuses_is_refused_by_the_name_of_its_field(edit, job, project):
    Quota.objects.create(project=project, gpus=1)
    builders.node(gpus=4)
    answer = edit(resources={"gpus": 2}, name="new")
    assert answer.status_code == 400
    assert list(faults(answer)) == ["resources.gpus"]
    assert (now_of(job).gpus, now_of(job).name) == (0, job.name)


def test_a_limit_that_came_later_keeps_nobody_from_changing_something_else(edit, job, project):
    builders.node(gpus=4)
    Job.objects.filter(pk=job.pk).update(gpus=4)
    Quota.objects.create(project=project, gpus=1)
    assert edit(command=["true", "2"]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"resources": {"gpus": -1}}, {"resources": {"floppies": 1}}, {"command": []}, {"command": "python"}, {"env": {"A": 1}},
        {"env": {"": None, "=": "1"}}, {"env": []}, {"begin_at": "tomorrow"}, {"begin_at": "2000-01-01T00:00:00Z"},
        {"executor": "nobody"}, {"snapshot": 1},
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_its_field(edit, job, body):
    before = Job.objects.filter(pk=job.pk).values().get()
    answer = edit(**body)
    assert answer.status_code == 400
    assert all(field.startswith(next(iter(body))) for field in faults(answer))
    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_others_change_what_it_asks_for_but_not_what_it_runs(edit, job, project):
    other = builders.member(project=project)
    assert edit(other, resources={"cpus": 2}).status_code == 200
    refusal = edit(other, command=["sh", "-c", "env"], env={"A": "1"})
    assert refusal.status_code == 403
    assert "runs in the name of ada" in refusal.json()["detail"]
    assert edit(builders.member(project=project, role="viewer"), resources={"cpus": 3}).status_code == 403
    assert edit(builders.user(), resources={"cpus": 3}).status_code == 404
    assert edit(builders.member(project=project, role="admin"), command=["true"]).status_code == 200
    assert now_of(job).cpus == 2


def test_what_a_job_with_secrets_runs_is_said_by_its_owner_alone(edit, job, project):
    """They may be his own: whoever says what it runs can have them printed."""
    Job.objects.filter(pk=job.pk).update(secrets=["WANDB_API_KEY"])
    admin = builders.member(project=project, role="admin")
    assert edit(admin, resources={"cpus": 2}).status_code == 200
    assert edit(admin, command=["env"]).status_code == 403
    assert edit(builders.user(staff=True), command=["env"]).status_code == 403


def test_what_it_is_expected_to_cost_is_worked_out_again(edit, job):
    builders.node(gpus=4)
    Price.objects.create(
        target="gpu_model",
        name="NVIDIA H100",
        per_hour=2,
        currency="EUR",
        valid_from=timezone.now() - timedelta(days=1),
    )
    edit(resources={"gpus": 1}, max_runtime_seconds=3600)
    assert now_of(job).estimated_cost == 2
    edit(resources={"gpus": 3})
    assert now_of(job).estimated_cost == 6


def test_a_job_of_a_capped_token_is_counted_as_it_is_now(edit, job):
    builders.node(gpus=4)
    caps = TokenCaps.objects.create(digest="x", max_gpus=1)
    CappedJob.objects.create(job=job.pk, caps=caps, gpus=1)
    edit(resources={"gpus": 3})
    assert CappedJob.objects.get().gpus == 3


def test_a_begin_that_is_brought_forward_gains_no_age(edit, job):
    long_ago = timezone.now() - timedelta(days=20)
    Job.objects.filter(pk=job.pk).update(created_at=long_ago, begin_at=timezone.now() + timedelta(days=9))
    assert edit(begin_at=None).status_code == 200
    changed = now_of(job)
    assert changed.begin_at is None
    assert timezone.now() - changed.in_line_since < timedelta(minutes=1)


def test_a_begin_that_has_passed_already_keeps_its_age_when_it_is_cleared(edit, job):
    Job.objects.filter(pk=job.pk).update(begin_at=timezone.now() - timedelta(hours=1))
    edit(begin_at=None)
    assert now_of(job).in_line_since is None


def test_the_same_again_changes_nothing_and_is_no_event(edit, job):
    edit(resources={"cpus": 1}, env={"LR": "0.1"}, command=["true"])
    assert not JobEvent.objects.filter(job=job, kind="changed").exists()
    assert now_of(job).revision == 0
