"""/nodes: what the machines have, what is free, and taking them out of service."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
URL = f"{V1}/nodes"


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def test_what_is_free_is_what_no_open_placement_holds():
    node = builders.node(name="n1", cpus=8, memory_mb=4096, gpus=4)
    builders.running_job(node=node, gpu_indices=[0, 3], cpus=3, memory_mb=1024)
    builders.placement(node=node, cpus=5, state="closed")
    [row] = rows(client_of(builders.user()).get(URL))
    assert row["free"] == {"gpus": 2, "cpus": 5, "memory_gb": 3}
    assert (row["running"], row["memory_gb"], len(row["gpus"])) == (1, 4, 4)


def test_a_node_that_shrank_below_what_it_holds_has_nothing_free():
    builders.running_job(node=builders.node(name="n1", cpus=1), cpus=4)
    assert rows(client_of(builders.user()).get(URL))[0]["free"]["cpus"] == 0


def test_a_node_that_goes_says_when(staff):
    builders.node(name="pilot-1", leaves_at=datetime(2030, 5, 1, 18, tzinfo=UTC))
    builders.node(name="stays")
    goes, stays = rows(staff.get(URL))
    assert (goes["leaves_at"], stays["leaves_at"]) == ("2030-05-01T18:00:00Z", None)
    assert "It leaves at 2030-05-01 18:00:00 UTC." in goes["health"]["reasons"]


def test_liveness_has_three_values(staff):
    builders.node(name="alive")
    builders.node(name="dead", heartbeat=timezone.now() - timedelta(minutes=5))
    builders.node(name="new", silent=True)
    assert {row["name"]: row["liveness"] for row in rows(staff.get(URL))} == {
        "alive": "alive", "dead": "dead", "new": "unknown",
    }  # fmt: skip


def test_draining_and_undraining(staff):
    builders.node(name="n1")
    drained = staff.post(f"{URL}/n1/drain", {"reason": "new cooling"}).json()
    assert (drained["state"], drained["cordoned"], drained["drain_reason"]) == ("draining", True, "new cooling")
    back = staff.post(f"{URL}/n1/undrain").json()
    assert (back["state"], back["cordoned"], back["drain_reason"]) == ("up", False, "")


def test_a_drain_needs_no_reason(staff):
    builders.node(name="n1")
    assert staff.post(f"{URL}/n1/drain").status_code == 200


def test_a_drain_is_shown_with_what_is_left_and_until_when(staff):
    node = builders.node(name="n1")
    builders.running_job(node=node)
    drained = staff.post(f"{URL}/n1/drain", {"deadline_seconds": 600, "reason": "new cooling"}).json()
    assert (drained["drain"]["mode"], drained["drain"]["jobs_left"], drained["health"]["ok"]) == ("wait", 1, False)
    assert drained["drain"]["deadline"] is not None
    assert "Draining (1 job left), mode wait, until" in drained["health"]["reasons"][-1]
    assert "new cooling" in drained["health"]["reasons"][-1]
    assert staff.post(f"{URL}/n1/undrain").json()["drain"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "slowly"}, "mode"),
        ({"mode": None}, "mode"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"deadline_seconds": "soon"}, "deadline_seconds"),
        ({"deadline_seconds": 10**9}, "deadline_seconds"),
        ({"mode": "now", "deadline_seconds": 5}, "deadline_seconds"),
        ({"modus": "wait"}, "modus"),
    ],
    ids=str,
)
def test_a_drain_that_makes_no_sense_is_refused_by_field(staff, body, field):
    builders.node(name="n1")
    assert faults(staff.post(f"{URL}/n1/drain", body)).keys() == {field}
    assert rows(staff.get(URL))[0]["cordoned"] is False


def test_the_health_of_a_node_is_told_in_words(staff):
    now = timezone.now()
    builders.node(name="a-well", consuming=True, heard_at=now)
    builders.node(name="b-deaf", consuming=False)
    builders.node(name="c-unknown")
    builders.node(name="d-dead", consuming=True, heartbeat=now - timedelta(minutes=5))
    builders.node(name="e-new", silent=True, state="down")
    builders.node(name="f-stopped", state="down")
    builders.node(name="g-leaving", state="draining", consuming=True)
    told = {
        row["name"]: (row["consuming"], row["health"]["ok"], *row["health"]["reasons"]) for row in rows(staff.get(URL))
    }
    assert told["a-well"] == (True, True)
    assert told["b-deaf"][:2] == (False, False)
    assert "Messages do not reach its agent" in told["b-deaf"][2]
    assert told["c-unknown"][:2] == (None, True)
    assert told["d-dead"] == (None, False, "Its agent has been silent for 300 s.")
    assert told["e-new"] == (None, False, "Its agent was never heard of.")
    assert told["f-stopped"][1:] == (False, "Its agent was stopped.")
    assert told["g-leaving"][2] == "Drained: its agent is stopping."


def test_staff_label_a_node(staff):
    builders.node(name="n1", labels={"zone": "a"})
    assert staff.patch(f"{URL}/n1", {"labels": {"rack": "7"}}).json()["labels"] == {"rack": "7"}


def test_others_may_look_but_not_touch():
    builders.node(name="n1")
    client = client_of(builders.user())
    assert client.get(f"{URL}/n1").json()["name"] == "n1"
    answers = [client.patch(f"{URL}/n1", {}), client.post(f"{URL}/n1/drain"), client.post(f"{URL}/n1/undrain")]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert client_of().get(URL).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("patch", "n1", {"labels": {"a": 1}}, "labels.a"),
        ("patch", "n1", {"cpus": 99}, "cpus"),
        ("post", "n1/drain", {"reason": "x" * 201}, "reason"),
        ("post", "n1/drain", {"why": "x"}, "why"),
    ],
)
def test_what_cannot_be_is_refused_by_name(staff, method, path, body, field):
    builders.node(name="n1")
    assert field in faults(getattr(staff, method)(f"{URL}/{path}", body))


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("patch", ""), ("post", "/drain"), ("post", "/undrain")])
def test_no_such_node(staff, method, path):
    assert getattr(staff, method)(f"{URL}/nowhere{path}").status_code == 404


def test_more_nodes_take_no_more_statements(staff, django_assert_num_queries):
    def add(count):
        for _ in range(count):
            builders.running_job(node=builders.node(gpus=1), gpu_indices=[0])

    add(5)
    with django_assert_num_queries(2):
        assert len(rows(staff.get(URL))) == 5
    add(20)
    with django_assert_num_queries(2):
        assert len(rows(staff.get(URL))) == 25
