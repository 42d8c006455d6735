"""POST /jobs/{id}/clone and /workloads/{id}/clone: a new job like an old one, by the rights of whoever asks."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import CodeSnapshot, Job, JobEvent, Workload
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
    builders.node(cpus=8, gpus=4, memory_mb=65_536)
    return builders.job(
        project=project, owner=owner, state="failed", name="train", command=["python", "train.py"], gpus=1, cpus=2, memory_mb=2_000,
        env={"LR": "0.1", "TOKEN": "s3cret"}, labels={"sweep": "7"}, max_runtime_seconds=3600, priority=60, max_retries=2,
        submission_key="once", depends_on=[builders.job(project=project, state="failed")], queue="batch",
        stall_seconds=90, checkpointable=True, preemptible=False, working_dir="/data",
        begin_at=timezone.now() - timedelta(days=9), deadline=timezone.now() - timedelta(days=8), attempt=3, retries_used=2,
    )  # fmt: skip


def clone(user, job, **body):
    return client_of(user).post(f"{V1}/jobs/{job.pk}/clone", body)


OF_THE_SUBMISSION = (
    "name", "command", "gpus", "cpus", "memory_mb", "env", "labels", "max_runtime_seconds", "priority", "max_retries",
    "queue_id", "project_id", "owner_id", "stall_seconds", "checkpointable", "preemptible", "working_dir",
)  # fmt: skip


def test_it_is_a_new_job_like_the_old_one_without_what_happened_to_that(job, owner):
    answer = clone(owner, job)
    assert answer.status_code == 201, answer.content
    new = Job.objects.get(pk=answer.json()["id"])
    job.refresh_from_db()
    assert {name: getattr(new, name) for name in OF_THE_SUBMISSION} == {
        name: getattr(job, name) for name in OF_THE_SUBMISSION
    }
    assert (new.state, new.attempt, new.retries_used, new.submission_key, new.begin_at, new.deadline) == (
        "pending", 0, 0, "", None, None,
    )  # fmt: skip
    assert list(new.depends_on.all()) == []
    assert JobEvent.objects.get(job=new).message == f"A clone of job {job.pk}."


def test_with_changes_it_has_these_and_the_rest_of_the_old_one(job, owner):
    body = {"resources": {"gpus": 3}, "env": {"LR": "0.2"}, "command": ["true"], "reason": "Once more."}
    new = Job.objects.get(pk=clone(owner, job, **body).json()["id"])
    assert (new.gpus, new.cpus, new.command, new.env) == (3, 2, ["true"], {"LR": "0.2", "TOKEN": "s3cret"})
    assert JobEvent.objects.get(job=new).message == f"A clone of job {job.pk}. Once more."
    job.refresh_from_db()
    assert (job.gpus, job.env["LR"]) == (1, "0.1")


def test_whoever_asks_is_its_owner_and_says_the_values_that_he_may_not_see(job, project):
    other = builders.member(project=project, user=builders.user(username="bob"))
    refused = clone(other, job, env={"LR": "1"})
    assert refused.status_code == 400
    assert faults(refused) == {
        "env": f"Values of job {job.pk} that are not for you to see: TOKEN. "
        "Say each of them yourself, or null to do without it."
    }
    assert "s3cret" not in refused.content.decode()

    new = Job.objects.get(pk=clone(other, job, env={"LR": "1", "TOKEN": None}).json()["id"])
    assert (new.owner.username, new.env) == ("bob", {"LR": "1"})
    admin = builders.member(project=project, role="admin")
    assert clone(admin, job).json()["env"]["TOKEN"] == "s3cret"


def test_source_and_target_are_both_asked_for_rights(job, project):
    assert clone(builders.user(), job).status_code == 404
    viewer = builders.member(project=project, role="viewer")
    own = {"env": {"LR": None, "TOKEN": None}}
    assert clone(viewer, job, **own).status_code == 403
    builders.member(project=builders.project(slug="own"), user=viewer)
    assert clone(viewer, job, project="own", **own).status_code == 201
    assert list(faults(clone(viewer, job, project="elsewhere", **own))) == ["project"]
    assert client_of().post(f"{V1}/jobs/{job.pk}/clone").status_code == 401


def test_its_code_goes_along_in_its_project_and_in_no_other(job, project, owner):
    snapshot = CodeSnapshot.objects.create(
        project=project, digest="a" * 64, files=0, size=0, complete_at=timezone.now()
    )
    Job.objects.filter(pk=job.pk).update(snapshot=snapshot, working_dir="")
    assert clone(owner, job).json()["code"]["snapshot"] == snapshot.pk
    builders.member(project=builders.project(slug="own"), user=owner)
    assert list(faults(clone(owner, job, project="own"))) == ["snapshot"]
    assert clone(owner, job, project="own", snapshot=None).status_code == 201


@pytest.mark.parametrize("body", [{"resources": {"gpus": 9}}, {"command": []}, {"queue": "nowhere"}, {"nonsense": 1}])
def test_what_a_submission_refuses_is_refused(job, owner, body):
    before = Job.objects.count()
    answer = clone(owner, job, **body)
    assert answer.status_code == 400
    assert all(field.startswith(next(iter(body))) for field in faults(answer))
    assert Job.objects.count() == before


def test_a_key_makes_it_once(job, owner):
    first, second = (clone(owner, job, submission_key="again") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


@pytest.fixture
def workload(project, owner):
    builders.node(cpus=8, gpus=4)
    made = builders.workload(project=project, owner=owner, name="sweep-7", max_running=2, stop_on_failure=True)
    for lr in ("0.1", "0.2"):
        builders.job(
            project=project, owner=owner, workload=made, name=f"lr-{lr}", command=["train", lr], state="completed"
        )
    return made


def clone_all(user, of, **body):
    return client_of(user).post(f"{V1}/workloads/{of.pk}/clone", body)


def test_a_whole_workload_is_submitted_again_with_changes_in_each_job(workload, owner):
    answer = clone_all(owner, workload, workload="sweep-8", resources={"gpus": 1})
    assert answer.status_code == 201, answer.content
    new = Workload.objects.get(name="sweep-8")
    assert answer.json()["id"] == new.pk
    assert (new.max_running, new.stop_on_failure, new.owner) == (2, True, owner)
    found = list(new.jobs.order_by("pk").values_list("name", "command", "gpus", "state"))
    assert found == [("lr-0.1", ["train", "0.1"], 1, "pending"), ("lr-0.2", ["train", "0.2"], 1, "pending")]


def test_one_that_is_taken_or_has_no_jobs_or_depends_on_itself_is_refused_whole(workload, owner, project):
    assert list(faults(clone_all(owner, workload, workload="sweep-7"))) == ["workload"]
    assert list(faults(clone_all(owner, workload))) == ["workload"]
    empty = builders.workload(project=project, owner=owner)
    assert clone_all(owner, empty, workload="new").status_code == 409
    builders.job(project=project, owner=owner, workload=workload, depends_on=[workload.jobs.first()])
    refused = clone_all(owner, workload, workload="new")
    assert (refused.status_code, "depend on each other" in refused.json()["detail"]) == (409, True)
    assert not Workload.objects.filter(name="new").exists()


def test_a_fault_of_one_job_leaves_nothing(workload, owner):
    refused = clone_all(owner, workload, workload="sweep-8", resources={"gpus": 99})
    assert refused.status_code == 400
    assert not Workload.objects.filter(name="sweep-8").exists()
