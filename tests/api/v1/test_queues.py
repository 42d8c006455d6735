"""/queues: everybody looks, staff change."""

import pytest
from django.db import IntegrityError

from jobs.models import Queue
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
URL = f"{V1}/queues"


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def test_the_list_says_how_many_wait_and_run():
    builders.job(), builders.job(), builders.running_job(), builders.job(state="completed")
    found = {row["name"]: row for row in rows(client_of(builders.user()).get(URL))}
    assert set(found) == {"batch", "default", "live"}
    assert (found["default"]["waiting"], found["default"]["running"], found["default"]["rank"]) == (2, 1, 50)


def test_staff_make_a_queue(staff):
    response = staff.post(URL, {"name": "night", "rank": 5, "policy": "fifo", "max_running": 4})
    assert response.status_code == 201
    assert response.json()["state"] == "open"
    assert Queue.objects.get(name="night").max_running == 4


def test_staff_change_a_queue(staff):
    answer = staff.patch(f"{URL}/batch", {"state": "paused", "max_running": None, "policy": ""}).json()
    assert (answer["state"], answer["max_running"], answer["rank"]) == ("paused", None, 10)


def test_a_queue_says_how_much_each_criterion_counts(staff):
    usual = {"price": 0.5, "speed": 1.0, "fit": 0.25, "reliability": 1.0, "latency": 0.5}
    assert staff.get(f"{URL}/batch").json()["placement_weights"] == usual
    changed = staff.patch(f"{URL}/batch", {"placement_weights": {"price": 2, "speed": 0}}).json()
    assert changed["placement_weights"] == {**usual, "price": 2.0, "speed": 0.0}
    assert staff.patch(f"{URL}/batch", {"placement_weights": {}}).json()["placement_weights"] == usual


@pytest.mark.parametrize(
    ("weights", "field"),
    [
        ({"colour": 1}, "placement_weights.colour"),
        ({"price": -1}, "placement_weights.price"),
        ({"price": 1001}, "placement_weights.price"),
        ({"price": "much"}, "placement_weights.price"),
        ({"price": 0, "speed": 0, "fit": 0, "reliability": 0, "latency": 0}, "placement_weights"),
        ([1], "placement_weights"),
        (None, "placement_weights"),
    ],
)
def test_weights_that_are_none_are_refused_by_name_and_leave_what_was(staff, weights, field):
    staff.patch(f"{URL}/batch", {"placement_weights": {"price": 3}})
    told = faults(staff.patch(f"{URL}/batch", {"placement_weights": weights}))
    assert any(one.startswith(field) for one in told)
    assert staff.get(f"{URL}/batch").json()["placement_weights"]["price"] == 3.0


def test_the_database_takes_no_weights_without_names():
    with pytest.raises(IntegrityError):
        Queue.objects.filter(name="batch").update(placement_weights=[1])


def test_others_may_look_but_not_touch():
    client = client_of(builders.user())
    assert client.get(f"{URL}/live").json()["rank"] == 100
    assert client.post(URL, {"name": "mine"}).status_code == 403
    assert client.patch(f"{URL}/live", {"rank": 1}).status_code == 403
    assert client_of().get(URL).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "UPPER"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": "live"}, "name"),
        ({"name": "x", "policy": "best"}, "policy"),
        ({"name": "x", "state": "closed"}, "state"),
        ({"name": "x", "rank": 10**12}, "rank"),
        ({"name": "x", "max_running": -1}, "max_running"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_queue_that_cannot_be_is_refused_by_name(staff, body, field):
    assert field in faults(staff.post(URL, body))


def test_a_queue_keeps_its_name(staff):
    assert "name" in faults(staff.patch(f"{URL}/live", {"name": "dead"}))


def test_no_such_queue(staff):
    assert staff.get(f"{URL}/nowhere").status_code == 404
    assert staff.patch(f"{URL}/nowhere", {"rank": 1}).status_code == 404


def test_more_queues_take_no_more_statements(staff, django_assert_num_queries):
    with django_assert_num_queries(2):
        rows(staff.get(URL))
    for _ in range(20):
        builders.job(queue=builders.queue())
    with django_assert_num_queries(2):
        assert len(rows(staff.get(URL))) == 23


def test_batch_jobs_go_by_the_policy_recommended_for_them():
    assert Queue.objects.get(name="batch").policy == "responsive"


def test_a_policy_that_does_not_exist_is_refused_with_those_that_do(staff):
    response = staff.patch(f"{URL}/batch", {"policy": "lottery"})
    assert response.status_code == 400
    assert "fairshare" in faults(response)["policy"]


def test_the_jobs_of_one_project_and_below_can_be_counted_alone(staff):
    team = builders.project(slug="team")
    below = builders.project(parent=team)
    builders.job(), builders.job(project=team), builders.running_job(project=below)
    builders.job(project=below, state="completed")
    found = {row["name"]: row for row in rows(staff.get(f"{URL}?project_id=team"))}
    assert set(found) == {"batch", "default", "live"}
    default = found["default"]
    assert (default["pending_jobs"], default["running_jobs"], default["total_jobs"]) == (1, 1, 3)
    assert rows(staff.get(URL))[1]["total_jobs"] == 4


def test_the_jobs_of_a_project_that_is_not_mine_are_not_counted():
    builders.job(project=builders.project(slug="team"))
    assert client_of(builders.user()).get(f"{URL}?project_id=team").status_code == 404


def test_a_verb_that_takes_nothing_refuses_what_it_would_not_read(staff):
    job = builders.job()
    for verb in ("cancel", "requeue", "resume", "release"):
        assert faults(staff.post(f"{V1}/jobs/{job.pk}/{verb}", {"because": "mine"})).keys() == {"because"}
    assert staff.post(f"{V1}/jobs/{job.pk}/cancel", {}).json()["state"] == "cancelled"
