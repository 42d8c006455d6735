"""What a quota can never give is refused when it is submitted, and told to those who wait when it comes to that later."""

import pytest

from jobs.planning.cycle import run_cycle
from quotas.models import Quota
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort():
    """A team of 8 GPUs in two projects, of which one keeps two to itself."""
    team = builders.project(slug="team")
    builders.project(slug="speech", parent=team, quota={"gpus": 4, "lending_gpus": 2})
    builders.node(gpus=16, cpus=64)
    return builders.project(slug="vision", parent=team, quota={"gpus": 4, "borrowing_gpus": 8})


@pytest.fixture
def ann(cohort):
    return client_of(builders.member(project=cohort, role="member"))


def body(gpus, **fields):
    return {"project": "vision", "command": ["true"], "resources": {"gpus": gpus}, **fields}


def sentences(client, number):
    return [one["sentence"] for one in client.get(f"{V1}/jobs/{number}").json()["reasons"]]


def test_more_than_the_cohort_has_together_is_refused_with_its_level_and_numbers(ann):
    refused = ann.post(f"{V1}/jobs", body(7))

    assert refused.status_code == 400
    assert faults(refused) == {
        "resources.gpus": "The projects below team have 8 GPUs together, of which others keep 2 GPUs: "
        "at most 6 GPUs at once; this job needs 7 GPUs."
    }
    assert ann.post(f"{V1}/jobs", body(6)).status_code == 201


@pytest.mark.parametrize(
    ("path", "ask", "field"),
    [
        ("jobs/quote", body(7), "resources.gpus"),
        ("jobs/batch", {"jobs": [body(1, name="a"), body(7, name="b")]}, "jobs[1].resources.gpus"),
    ],
)
def test_quotes_and_batches_are_refused_alike_and_nothing_is_half_written(ann, path, ask, field):
    assert set(faults(ann.post(f"{V1}/{path}", ask))) == {field}
    assert rows(ann.get(f"{V1}/jobs")) == []


def test_quotas_that_only_watch_never_refuse(ann):
    Quota.objects.update(enforced=False)

    assert ann.post(f"{V1}/jobs", body(12)).status_code == 201


def test_who_waits_when_the_quota_is_lowered_is_told_that_it_can_never_start_and_why(ann):
    number = ann.post(f"{V1}/jobs", body(6)).json()["id"]
    boss = client_of(builders.user(staff=True))
    boss.patch(f"{V1}/queues/quota/speech", {"lending_limits": {"gpus": 0}})
    run_cycle()

    [reason] = sentences(ann, number)
    assert reason.endswith(
        "It can never start like this: submit it again with at most 4 GPUs, or have the quotas below project team raised by 2 GPUs."
    )

    boss.patch(f"{V1}/queues/quota/speech", {"lending_limits": {"gpus": 2}})
    run_cycle()
    assert ann.get(f"{V1}/jobs/{number}").json()["state"] == "queued"


def test_who_waits_and_is_made_not_preemptible_is_told_to_be_so_again(ann):
    number = ann.post(f"{V1}/jobs", body(6)).json()["id"]
    assert ann.patch(f"{V1}/jobs/{number}", {"preemptible": False}).status_code == 200
    run_cycle()

    assert "make it preemptible" in sentences(ann, number)[0]


def test_who_waits_where_a_project_has_moved_below_a_smaller_quota_is_told_so(ann, cohort):
    number = ann.post(f"{V1}/jobs", body(6)).json()["id"]
    builders.project(slug="small", quota={"gpus": 2})
    moved = client_of(builders.user(staff=True)).patch(f"{V1}/projects/vision", {"parent": "small"})
    assert moved.status_code == 200
    run_cycle()

    assert "have the quota of project small raised by 4 GPUs" in sentences(ann, number)[0]
