"""/pools: everybody looks, staff set; an autoscaler of theirs reads `desired_nodes`."""

import pytest

from tests import builders
from tests.rest import V1, client_of, faults, rows
from workers.models import NodePool

pytestmark = pytest.mark.django_db
URL = f"{V1}/pools"
SMALL = {"name": "small", "cpus": 2, "memory_gb": 8}
COMMANDS = {"up": ["make-node", "{node}"], "down": ["end-node", "{node}"], "list": ["list-nodes"]}


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def test_staff_make_a_pool_change_it_and_forget_it(staff):
    made = staff.post(URL, {**SMALL, "max_nodes": 4, "labels": {"zone": "a"}}, format="json")
    assert made.status_code == 201
    assert (made.json()["memory_gb"], made.json()["desired_nodes"], made.json()["actuator"]) == (8.0, None, "none")
    changed = staff.patch(f"{URL}/small", {"spare_nodes": 1, "memory_gb": 16}, format="json").json()
    assert (changed["spare_nodes"], changed["memory_gb"], changed["max_nodes"]) == (1, 16.0, 4)
    assert staff.delete(f"{URL}/small").status_code == 204
    assert not NodePool.objects.exists()


def test_a_pool_that_is_being_scaled_is_paused_before_it_is_forgotten(staff):
    staff.post(URL, {**SMALL, "actuator": "local"}, format="json")
    assert staff.delete(f"{URL}/small").status_code == 409
    staff.patch(f"{URL}/small", {"paused": True}, format="json")
    assert staff.delete(f"{URL}/small").status_code == 204


def test_others_look_and_are_not_told_the_commands(staff):
    staff.post(URL, {**SMALL, "actuator": "command", "actuator_settings": COMMANDS}, format="json")
    NodePool.objects.update(desired_nodes=3, fault="make-node ended with 1: quota")
    client = client_of(builders.user())
    [row] = rows(client.get(URL))
    assert (row["desired_nodes"], row["actuator_settings"], row["fault"]) == (3, {}, "")
    assert rows(staff.get(URL))[0]["actuator_settings"] == COMMANDS
    assert client.get(f"{URL}/small").json()["desired_nodes"] == 3
    assert client.post(URL, SMALL, format="json").status_code == 403
    assert client.patch(f"{URL}/small", {"paused": True}, format="json").status_code == 403
    assert client.delete(f"{URL}/small").status_code == 403
    assert client_of().get(URL).status_code == 401


def test_pilots_have_a_lifetime_that_is_longer_than_their_leave(staff, settings):
    settings.NODE_LEAVE_SECONDS = 120
    pilots = {**SMALL, "actuator": "slurm", "actuator_settings": {"partition": "gpu"}}
    assert list(faults(staff.post(URL, pilots, format="json"))) == ["lifetime_seconds"]
    assert list(faults(staff.post(URL, {**pilots, "lifetime_seconds": 120}, format="json"))) == ["lifetime_seconds"]
    assert list(
        faults(staff.post(URL, {**pilots, "lifetime_seconds": 600, "actuator_settings": {"shell": "x"}}, format="json"))
    ) == ["actuator_settings"]
    made = staff.post(URL, {**pilots, "lifetime_seconds": 14_400}, format="json")
    assert (made.status_code, made.json()["lifetime_seconds"]) == (201, 14_400)
    changed = staff.patch(
        f"{URL}/small", {"actuator": "none", "actuator_settings": {}, "lifetime_seconds": None}, format="json"
    )
    assert changed.json()["lifetime_seconds"] is None


def test_what_is_not_there_is_not_found(staff):
    for answer in (staff.get(f"{URL}/x"), staff.patch(f"{URL}/x", {}, format="json"), staff.delete(f"{URL}/x")):
        assert answer.status_code == 404


def command(**changed) -> dict[str, object]:
    return {"actuator": "command", "actuator_settings": {**COMMANDS, **changed}}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"name": None}, "name", ""),
        ({"name": "UPPER"}, "name", "small letters"),
        ({"cpus": 0}, "cpus", "greater than or equal to 1"),
        ({"memory_gb": "much"}, "memory_gb", ""),
        ({"min_nodes": 5, "max_nodes": 4}, "max_nodes", "at least min_nodes, 5"),
        ({"spare_nodes": 51}, "spare_nodes", "at most max_nodes, 50"),
        ({"consolidate": True}, "consolidate", "Needs an actuator"),
        ({"actuator": "aws"}, "actuator", "not a valid choice"),
        ({"labels": {"pool": "other"}}, "labels", "leave it out"),
        ({"labels": ["a"]}, "labels", "object of strings"),
        ({"gpus": 1}, "gpu_memory_gb", "say how much"),
        ({"gpu_model": "H100"}, "gpus", "say how many"),
        ({"nodes": 5}, "nodes", "no such field"),
        ({"actuator": "local", "actuator_settings": COMMANDS}, "actuator_settings", "no settings"),
        ({"actuator_settings": COMMANDS}, "actuator_settings", "actuator command"),
        ({"actuator": "command"}, "actuator_settings", "list must be a list of words"),
        ({"actuator": "command", "actuator_settings": []}, "actuator_settings", "an object"),
        (command(up="make-node {node}"), "actuator_settings", "up must be a list of words"),
        (command(up=["make-node"]), "actuator_settings", "{node} is its name"),
        (command(up=["/bin/sh", "{node}"]), "actuator_settings", "no path"),
        (command(list=["list-nodes", "{node}"]), "actuator_settings", "list: there is no {node}"),
        (command(down=["end-node", "{node}", "{zone}"]), "actuator_settings", "there is no {zone}"),
        (command(timeout_seconds=0), "actuator_settings", "timeout_seconds must be"),
        (command(stop=["x"]), "actuator_settings", "There is no 'stop'"),
    ],
)  # fmt: skip
def test_a_pool_that_cannot_be_is_refused_by_name(staff, body, field, words):
    given = {name: value for name, value in {**SMALL, **body}.items() if value is not None}
    assert words in faults(staff.post(URL, given, format="json"))[field]
    assert not NodePool.objects.exists()


def test_a_change_has_to_fit_to_what_stays(staff):
    staff.post(URL, {**SMALL, "min_nodes": 3}, format="json")
    assert "at least min_nodes, 3" in faults(staff.patch(f"{URL}/small", {"max_nodes": 2}, format="json"))["max_nodes"]
    assert "already" in faults(staff.post(URL, SMALL, format="json"))["name"]


def test_the_scheduler_tells_of_its_pools(staff):
    staff.post(URL, SMALL, format="json")
    [row] = staff.get(f"{V1}/jobs/scheduler/info").json()["pools"]
    assert (row["name"], row["paused"], row["desired_nodes"]) == ("small", False, None)
