"""What one user may hold and have waiting in a project: refused at submission where it can never be, and set by whom."""

import threading
from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from jobs.models import Job
from jobs.planning.cycle import run_cycle
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from quotas.models import Quota
from scheduling.errors import ConflictError, InvalidError
from tests import builders
from tests.changing import change
from tests.rest import V1, client_of, faults
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    above = builders.project(slug="organisation", quota={"user_gpus": 6, "user_waiting_jobs": 4})
    return builders.project(slug="team", parent=above, quota={"user_gpus": 4, "user_memory_mb": 2048})


@pytest.fixture
def ann(team):
    return builders.member(project=team, user=builders.user(username="ann"))


def spec(**fields):
    return replace(JobSpec(name="train", project="team", command=("true",), memory_mb=1), **fields)


def refused(owner, *specs):
    with pytest.raises(InvalidError) as caught:
        submit(specs=list(specs), owner=owner)
    return {one.field: one.message for one in caught.value.errors}


def test_what_no_user_may_ever_hold_is_refused_with_the_level(ann):
    assert refused(ann, spec(gpus=5)) == {
        "resources.gpus": "The quota of project team allows a user at most 4 GPUs at once; this job needs 5 GPUs."
    }
    assert "resources.memory_gb" in refused(ann, spec(memory_mb=2049))


def test_what_a_queue_allows_no_user_is_refused_by_its_name_also_as_a_change(ann):
    builders.queue(name="night", max_gpus_per_user=1, max_running_per_user=3)
    assert refused(ann, spec(gpus=2, queue="night")) == {
        "resources.gpus": "Queue night allows a user at most 1 GPU at once; this job needs 2 GPUs."
    }
    [made] = submit(specs=[spec(gpus=2)], owner=ann)
    with pytest.raises(ConflictError, match="Queue night allows a user at most 1 GPU at once"):
        change(job_id=made.job.pk, actor="ann", queue="night")


def test_waiting_jobs_of_a_user_are_limited_below_too_and_others_are_not_counted(team, ann):
    study = builders.project(slug="study", parent=team)
    builders.job(project=study), submit(specs=[spec(), spec()], owner=ann)

    told = {"project": "The quota of project organisation allows a user 4 waiting jobs (2 now)."}
    assert refused(ann, spec(), spec(project="study"), spec()) == told
    submit(specs=[spec(), spec(project="study")], owner=ann)
    bob = builders.member(project=team, user=builders.user(username="bob"))
    assert submit(specs=[spec()], owner=bob)


@pytest.mark.django_db(transaction=True)
def test_submissions_of_one_user_that_race_take_no_more_waiting_places_than_there_are(ann):
    together, taken = threading.Barrier(6), []

    def ask():
        together.wait()
        try:
            taken.extend(submit(specs=[spec()], owner=ann))
        except InvalidError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(taken) == Job.objects.count() == 4


def test_a_cycle_starts_what_the_user_may_hold_and_tells_the_rest_why(team, ann):
    builders.node(gpus=8)
    submit(specs=[spec(gpus=3), spec(gpus=2)], owner=ann)

    run_cycle()

    first, second = Job.objects.order_by("pk")
    assert (first.state, second.state) == ("queued", "pending")
    [reason] = second.reasons
    assert reason["sentence"] == "The quota of project team allows a user 4 GPUs (3 in use); this job needs 2 GPUs."
    assert (reason["shortfall"], reason["held_by"]) == ({"gpus": 1}, [first.pk])


def test_a_cycle_holds_to_the_limits_of_a_queue(team, ann):
    builders.node(gpus=8)
    builders.queue(name="night", max_running_per_user=1)
    submit(specs=[spec(queue="night"), spec(queue="night"), spec()], owner=ann)

    run_cycle()

    assert [job.state for job in Job.objects.order_by("pk")] == ["queued", "pending", "queued"]
    assert Job.objects.get(state="pending").reasons[0]["code"] == "queue_limit"


def test_limits_of_users_are_set_from_above_and_shown_with_what_the_caller_holds(team, ann):
    staff, above = client_of(builders.user(staff=True)), builders.member(project=team.parent, role="admin")
    builders.running_job(project=team, owner=ann, gpu_indices=[0, 1], cpus=3), builders.running_job(project=team)
    wanted = {"user_limits": {"gpus": 3, "memory_gb": None, "running_jobs": 7}}

    answer = client_of(above).patch(f"{V1}/queues/quota/team", wanted).json()
    own = client_of(ann).get(f"{V1}/queues/quota/team").json()

    assert answer["user_limits"] == {
        "gpus": 3, "cpus": None, "memory_gb": None, "running_jobs": 7, "waiting_jobs": None, "gpu_hours_ahead": None,
    }  # fmt: skip
    assert own["user_limits"] == answer["user_limits"]
    assert (own["user_usage"]["gpus"], own["user_usage"]["running_jobs"], answer["user_usage"]["gpus"]) == (2, 1, 0)
    assert client_of(ann).patch(f"{V1}/queues/quota/team", wanted).status_code == 403
    assert staff.patch(f"{V1}/queues/quota/team", {"user_limits": {"gpus": None}}).json()["user_limits"]["gpus"] is None


def test_the_nodes_of_one_job_are_limited_from_above_also_for_projects_below(team, ann):
    staff = client_of(builders.user(staff=True))
    for number in range(3):
        builders.node(name=f"n{number}")
    assert staff.patch(f"{V1}/queues/quota/organisation", {"max_nodes": 2}).json()["max_nodes"] == 2

    told = refused(ann, spec(nodes=3))

    assert told == {"resources.nodes": "The quota of project organisation allows a job at most 2 nodes."}
    assert submit(specs=[spec(nodes=2)], owner=ann)
    assert staff.patch(f"{V1}/queues/quota/organisation", {"max_nodes": None}).json()["max_nodes"] is None
    for wrong in (0, -1, 1.5, 1e308, "two"):
        assert set(faults(staff.patch(f"{V1}/queues/quota/team", {"max_nodes": wrong}))) == {"max_nodes"}


def test_gpus_by_model_are_limited_refused_counted_and_shown(team, ann):
    staff = client_of(builders.user(staff=True))
    builders.node(gpus=8)
    model = Node.objects.get().gpus[0]["model"]
    wanted = {"gpu_models": {model: 2}, "user_limits": {"gpus": None}}
    assert staff.patch(f"{V1}/queues/quota/team", wanted).json()["gpu_models"] == {model: 2}

    told = refused(ann, spec(gpus=3))
    submit(specs=[spec(gpus=2), spec(gpus=1)], owner=ann)
    run_cycle()

    assert told == {
        "resources.gpus": f"The quota of project team for {model} allows at most 2 GPUs at once; this job needs 3 GPUs."
    }
    assert [job.state for job in Job.objects.order_by("pk")] == ["queued", "pending"]
    said = Job.objects.get(state="pending").reasons[0]["sentence"]
    assert said == f"The quota of project team for {model} allows 2 GPUs (2 in use); this job needs 1 GPU."
    assert client_of(ann).get(f"{V1}/queues/quota/team").json()["gpu_models_usage"] == {model: 2}
    assert staff.patch(f"{V1}/queues/quota/team", {"gpu_models": {}}).json()["gpu_models"] == {}


@pytest.mark.parametrize(
    "models",
    [{"h100": -1}, {"h100": 0.125}, {"h100": 1e308}, {"h100": None}, {"h100,a100": 1}, {"*": 1}, {"": 1}, [1], 4],
)
def test_gpus_by_model_that_cannot_be_are_refused_by_name_and_by_the_admin(team, models):
    staff = client_of(builders.user(staff=True))

    assert set(faults(staff.patch(f"{V1}/queues/quota/team", {"gpu_models": models}))) == {"gpu_models"}
    with pytest.raises(ValidationError):
        Quota(project=team, gpu_models=models).clean_fields(exclude=["project"])


@pytest.mark.parametrize("limit", [-1, 0.125, 1e308, 2**31, True, "many"])
def test_nonsense_is_refused_by_name(team, limit):
    staff = client_of(builders.user(staff=True))

    for name in ("gpus", "running_jobs", "waiting_jobs"):
        refused_at = faults(staff.patch(f"{V1}/queues/quota/team", {"user_limits": {name: limit}}))
        assert set(refused_at) == {f"user_limits.{name}"}
    builders.queue(name="night")
    assert set(faults(staff.patch(f"{V1}/queues/night", {"max_gpus_per_user": limit}))) == {"max_gpus_per_user"}
    assert set(faults(staff.patch(f"{V1}/queues/night", {"max_running_per_user": limit}))) == {"max_running_per_user"}
