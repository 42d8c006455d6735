"""What becomes of idle GPUs, over REST: inherited, and set by administrators of the project; of queues, by staff."""

import pytest

from jobs.models import IdleGpuRule
from quotas.models import Project
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
TEAM, ORG, QUEUE = (f"{V1}/{path}/idle-gpus" for path in ("projects/team", "projects/org", "queues/night"))
OFF = {
    "warn_minutes": None, "suggest_minutes": None, "requeue_minutes": None, "stop_minutes": None,
    "requeue_priority": 10, "max_requeues": 1, "start_minutes": 10,
}  # fmt: skip
NOBODYS = {"from_project": None, "changed_by": None, "changed_at": None}


@pytest.fixture(autouse=True)
def yard():
    builders.project(slug="team", parent=builders.project(slug="org"))
    builders.queue(name="night")


def test_a_rule_is_set_inherited_and_removed():
    org = Project.objects.get(slug="org")
    admin = client_of(builders.member(project=org, role="admin", user=builders.user(username="ann")))
    assert admin.get(TEAM).json() == OFF | NOBODYS
    assert admin.patch(ORG, {"warn_minutes": 15, "stop_minutes": 240}).json()["from_project"] == "org"
    assert admin.patch(ORG, {"requeue_minutes": 60, "requeue_priority": 5}).json()["stop_minutes"] == 240
    inherited = admin.get(TEAM).json()
    assert (inherited["warn_minutes"], inherited["requeue_minutes"], inherited["changed_by"]) == (15, 60, "ann")
    assert admin.patch(TEAM, {}).json() | NOBODYS == OFF | NOBODYS
    assert admin.get(TEAM).json()["from_project"] == "team"
    assert admin.delete(TEAM).json()["from_project"] == "org"


def test_who_is_no_administrator_only_looks():
    client = client_of(builders.member(project=Project.objects.get(slug="team")))
    for path in (TEAM, QUEUE):
        assert client.get(path).status_code == 200
        assert client.patch(path, {"warn_minutes": 1}).status_code == 403
        assert client.delete(path).status_code == 403
    assert client_of(builders.user()).get(TEAM).status_code == 404
    assert client_of().get(QUEUE).status_code == 401


def test_staff_set_a_queue_s_rule():
    staff = client_of(builders.user(staff=True))
    assert staff.patch(QUEUE, {"warn_minutes": 5, "stop_minutes": 30}).json()["stop_minutes"] == 30
    assert IdleGpuRule.objects.get().queue.name == "night"
    assert staff.delete(QUEUE).json() == OFF | NOBODYS
    assert staff.get(f"{V1}/queues/nowhere/idle-gpus").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"warn_minutes": 0}, "warn_minutes"),
        ({"warn_minutes": "soon"}, "warn_minutes"),
        ({"warn_minutes": 525_601}, "warn_minutes"),
        ({"warn_minutes": 20, "suggest_minutes": 20}, "suggest_minutes"),
        ({"stop_minutes": 20}, "warn_minutes"),
        ({"requeue_priority": 101}, "requeue_priority"),
        ({"requeue_priority": None}, "requeue_priority"),
        ({"max_requeues": 0}, "max_requeues"),
        ({"wran_minutes": 20}, "wran_minutes"),
    ],
)
def test_nonsense_is_refused_by_its_field_and_nothing_is_written(body, field):
    answer = client_of(builders.user(staff=True)).patch(TEAM, body)
    assert answer.status_code == 400
    assert field in faults(answer)
    assert not IdleGpuRule.objects.exists()
