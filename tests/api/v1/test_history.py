"""GET /jobs/{id}/events, attempts; explain has more in its own file."""

import pytest

from tests import builders
from tests.rest import V1, client_of, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def test_events_come_in_the_order_in_which_they_happened(staff):
    job = builders.job()
    builders.event(job=job, kind="submitted", to_state="pending", actor="ada")
    builders.event(job=job, kind="queued", from_state="pending", to_state="queued", data={"node": "n1"})
    found = rows(staff.get(f"{V1}/jobs/{job.pk}/events"))
    assert [(event["kind"], event["actor"]) for event in found] == [("submitted", "ada"), ("queued", "")]
    assert found[1]["data"] == {"node": "n1"}


def test_attempts_name_their_share_of_each_node(staff):
    node = builders.node(name="n1", gpus=2)
    job = builders.running_job(node=node, gpu_indices=[1], cpus=2, memory_mb=2048)
    [attempt] = rows(staff.get(f"{V1}/jobs/{job.pk}/attempts"))
    [placement] = attempt["placements"]
    assert (attempt["number"], attempt["ended_at"]) == (1, None)
    assert {name: placement[name] for name in ("node", "rank", "gpu_indices", "cpus", "memory_gb", "state")} == {
        "node": "n1", "rank": 0, "gpu_indices": [1], "cpus": 2, "memory_gb": 2, "state": "running",
    }  # fmt: skip


def test_a_fencing_token_is_nobodys_business(staff):
    job = builders.running_job()
    token = str(job.attempts.get().token)
    assert token not in staff.get(f"{V1}/jobs/{job.pk}/attempts").content.decode()


@pytest.mark.parametrize("what", ["events", "attempts", "explain"])
def test_somebody_elses_job_has_no_history(what):
    assert client_of(builders.user()).get(f"{V1}/jobs/{builders.job().pk}/{what}").status_code == 404
    assert client_of().get(f"{V1}/jobs/1/{what}").status_code == 401


def test_more_attempts_take_no_more_statements(staff, django_assert_num_queries):
    job = builders.job(state="queued")

    def add(count):
        for _ in range(count):
            attempt = builders.attempt(job=job, ended_at=job.created_at)
            builders.placement(attempt=attempt, node=builders.node(), state="closed")

    add(2)
    with django_assert_num_queries(4):  # the job, attempts, placements, nodes
        rows(staff.get(f"{V1}/jobs/{job.pk}/attempts"))
    add(8)
    with django_assert_num_queries(4):
        assert len(rows(staff.get(f"{V1}/jobs/{job.pk}/attempts"))) == 10
