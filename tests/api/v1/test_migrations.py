"""Migrations over REST: planned, begun, called off, taken back; refused in words; seen by those who see the job."""

import pytest
from django.utils import timezone

from jobs.models import JobMove
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    builders.node(name="n2", cpus=4)
    return builders.running_job(
        node=builders.node(name="n1", cpus=4),
        cpus=2,
        checkpointable=True,
        checkpoint_at=timezone.now(),
        grace_seconds=9,
    )


@pytest.fixture
def ann(job):
    return client_of(builders.member(project=job.project, user=builders.user(username="ann")))


def url(job, rest=""):
    return f"{V1}/jobs/{job.pk}/migrations{rest}"


def test_a_plan_says_from_where_to_where_and_what_is_done_again(job, ann):
    plan = ann.get(url(job, "/plan?node=n2")).json()
    assert (plan["possible"], plan["sources"], plan["targets"]) == (True, ["n1"], ["n2"])
    assert (plan["grace_seconds"], plan["displaced"], plan["obstacles"]) == (9, [], [])
    assert 0 < plan["lost_seconds"] < 120
    dry = ann.post(url(job), {"dry_run": True}, format="json")
    assert (dry.status_code, dry.json()["targets"], JobMove.objects.count()) == (200, ["n2"], 0)


def test_a_plan_names_all_that_stands_against_it(job, ann):
    plan = ann.get(url(job, "/plan?node=n1")).json()
    assert (plan["possible"], plan["targets"], [one["code"] for one in plan["obstacles"]]) == (False, [], ["there"])


def test_it_is_begun_seen_and_called_off(job, ann):
    begun = ann.post(url(job), {"node": "n2", "reason": "noisy"}, format="json")
    assert begun.status_code == 201
    assert (begun.json()["state"], begun.json()["asked_by"], begun.json()["took_seconds"]) == ("stopping", "ann", None)
    one = url(job, f"/{begun.json()['id']}")
    assert ann.get(one).json() == begun.json()
    off = ann.delete(one)

    assert (off.status_code, off.json()["state"], off.json()["message"]) == (200, "cancelled", "Called off by ann.")
    assert ann.delete(one).status_code == 409
    assert [row["reason"] for row in rows(ann.get(url(job)))] == ["noisy"]


def test_what_cannot_be_is_a_conflict_or_a_fault_of_the_field(job, ann):
    assert "There is no node n9" in faults(ann.post(url(job), {"node": "n9"}, format="json"))["node"]
    assert list(faults(ann.post(url(job), {"nodes": "n2"}, format="json"))) == ["nodes"]
    assert list(faults(ann.get(url(job, "/plan?colour=red")))) == ["colour"]
    first = ann.post(url(job), {"node": "n2"}, format="json").json()
    second = ann.post(url(job), {}, format="json")
    assert (second.status_code, f"Migration {first['id']}" in second.json()["detail"]) == (409, True)
    assert ann.post(url(job, f"/{first['id']}/rollback")).status_code == 409
    assert ann.get(url(job, "/999")).status_code == 404


def test_the_history_of_all_jobs_is_narrowed_down_and_scoped(job, ann):
    other = builders.running_job(node=builders.node(name="n3", cpus=4), cpus=2, checkpointable=True)
    for one in (job, other):
        moved = client_of(builders.user(staff=True)).post(url(one), {}, format="json")
        assert moved.status_code == 201, moved.content
    staff = client_of(builders.user(staff=True))
    assert [row["job"] for row in rows(staff.get(f"{V1}/migrations"))] == [other.pk, job.pk]
    assert [row["job"] for row in rows(ann.get(f"{V1}/migrations"))] == [job.pk]
    assert [row["job"] for row in rows(staff.get(f"{V1}/migrations?node=n1"))][-1] == job.pk
    assert rows(staff.get(f"{V1}/migrations?origin=drain")) == []
    assert [row["job"] for row in rows(staff.get(f"{V1}/migrations?project={other.project.slug}&state=stopping"))] == [
        other.pk
    ]


def test_more_rows_take_no_more_statements(job, ann, django_assert_max_num_queries):
    attempt = job.attempts.get()
    JobMove.objects.bulk_create(
        JobMove(job=job, attempt=attempt, origin="drain", state="done", closed_at=timezone.now()) for _ in range(20)
    )
    with django_assert_max_num_queries(6):
        assert len(rows(ann.get(f"{V1}/migrations"))) == 20
