"""POST /jobs/batch: all or nothing."""

import pytest

from jobs.models import Job
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
URL = f"{V1}/jobs/batch"


@pytest.fixture
def post():
    client = client_of(builders.member(project=builders.project(slug="vision")))
    return lambda body: client.post(URL, body)


def job(**fields):
    return {"project": "vision", "name": "train", "command": ["true"]} | fields


def test_a_batch_is_answered_in_its_order(post):
    response = post({"jobs": [job(name="a"), job(name="b", submission_key="k")]})
    assert response.status_code == 201
    assert response.json()["count"] == 2
    assert [(one["name"], one["state"], one["submission_key"]) for one in response.json()["jobs"]] == [
        ("a", "pending", ""),
        ("b", "pending", "k"),
    ]


def test_defaults_hold_for_every_job_that_does_not_say_otherwise(post):
    defaults = job(resources={"gpus": 1, "cpus": 2}, env={"SEED": "0"}, labels={"sweep": "lr"}, priority="low")
    post({"defaults": defaults, "jobs": [{}, {"name": "b", "resources": {"gpus": 0}, "env": {"LR": "1"}}]})
    first, second = Job.objects.order_by("id")
    assert (first.gpus, first.cpus, first.env, first.priority) == (1, 2, {"SEED": "0"}, 10)
    assert (second.gpus, second.cpus, second.env) == (0, 2, {"SEED": "0", "LR": "1"})
    assert second.labels == {"sweep": "lr"}


def test_one_bad_job_refuses_them_all(post):
    response = post({"jobs": [job(), job(), job(command=[]), job(priority=101)]})
    assert response.status_code == 400
    assert set(faults(response)) == {"jobs[2].command", "jobs[3].priority"}
    assert not Job.objects.exists()


def test_faults_that_only_the_platform_knows_name_their_job_too(post):
    assert set(faults(post({"jobs": [job(), job(queue="nowhere")]}))) == {"jobs[1].queue"}


def test_bad_defaults_are_named_as_such(post):
    assert "defaults.priority" in faults(post({"defaults": {"priority": "asap"}, "jobs": [job()]}))


@pytest.mark.parametrize(
    "body", [{}, {"jobs": []}, {"jobs": {}}, {"jobs": None}, {"jobs": [job()] * 10_001}, {"jobs": [job()], "job": []}]
)
def test_a_batch_of_the_wrong_shape_is_refused(post, body):
    assert set(faults(post(body))) & {"jobs", "job"}


@pytest.mark.parametrize("item", [5, None, [], "x"])
def test_an_item_that_is_no_job_is_named(post, item):
    assert "jobs[1]" in faults(post({"jobs": [job(), item]}))


def test_keys_that_repeat_within_a_batch_make_one_job(post):
    ids = [one["id"] for one in post({"jobs": [job(submission_key="k"), job(submission_key="k")]}).json()["jobs"]]
    assert ids[0] == ids[1]


def test_a_thousand_jobs_take_a_fixed_number_of_statements(post, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        assert post({"jobs": [job(name=f"run {n}") for n in range(1000)]}).json()["count"] == 1000
