"""/projects/SLUG/members: the project's admins decide who belongs to it, and one of them stays."""

import pytest

from quotas.models import Membership
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
URL = f"{V1}/projects/vision/members"


@pytest.fixture
def vision():
    return builders.project(slug="vision", parent=builders.project(slug="lab"))


@pytest.fixture
def boss(vision):
    return builders.member(project=vision, user=builders.user(username="boss"), role="admin")


def roles():
    return dict(Membership.objects.filter(project__slug="vision").values_list("user__username", "role"))


def test_an_admin_takes_a_user_in_as_a_member(boss):
    builders.user(username="ada")
    response = client_of(boss).post(URL, {"user": "ada"})
    assert (response.status_code, response.json()) == (201, {"user": "ada", "role": "member", "active": True})
    assert roles() == {"boss": "admin", "ada": "member"}


def test_a_new_member_sees_the_project_at_once(boss):
    ada = builders.user(username="ada")
    client_of(boss).post(URL, {"user": "ada", "role": "viewer"})
    assert [row["user"] for row in rows(client_of(ada).get(URL))] == ["ada", "boss"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"user": "nobody"}, "user", "There is no user 'nobody'"),
        ({"user": "boss"}, "user", "already, as admin"),
        ({"user": "gone"}, "user", "not active"),
        ({"user": "ada", "role": "owner"}, "role", "owner"),
        ({"role": "viewer"}, "user", "required"),
        ({"user": "ada", "rol": "viewer"}, "rol", "role"),
        ({"user": 7}, "user", "string"),
    ],
)
def test_what_cannot_be_is_refused_by_name(boss, body, field, words):
    builders.user(username="ada"), builders.user(username="gone", is_active=False)
    assert words in faults(client_of(boss).post(URL, body))[field]
    assert roles() == {"boss": "admin"}


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_others_look_and_change_nothing(vision, boss, role):
    client = client_of(builders.member(project=vision, user=builders.user(username="ada"), role=role))
    assert client.get(f"{URL}/boss").json()["role"] == "admin"
    answers = [
        client.post(URL, {"user": "x"}),
        client.patch(f"{URL}/ada", {"role": "admin"}),
        client.delete(f"{URL}/boss"),
    ]
    assert [response.status_code for response in answers] == [403, 403, 403]


def test_for_strangers_and_neighbours_the_project_is_not_there(vision, boss):
    neighbour = client_of(builders.member(project=builders.project(slug="speech"), role="admin"))
    answers = [neighbour.get(URL), neighbour.post(URL, {"user": "boss"}), neighbour.delete(f"{URL}/boss")]
    assert [response.status_code for response in answers] == [404, 404, 404]
    assert client_of().get(URL).status_code == 401


def test_an_admin_of_the_project_above_manages_it_too(vision):
    builders.user(username="ada")
    client = client_of(builders.member(project=vision.parent, role="admin"))
    assert client.post(URL, {"user": "ada", "role": "admin"}).status_code == 201
    assert client.delete(f"{URL}/ada").status_code == 204


def test_a_role_is_changed_and_a_member_sent_away(vision, boss):
    builders.member(project=vision, user=builders.user(username="ada@lab.org"))
    assert client_of(boss).patch(f"{URL}/ada@lab.org", {"role": "admin"}).json()["role"] == "admin"
    assert client_of(boss).delete(f"{URL}/ada@lab.org").status_code == 204
    assert roles() == {"boss": "admin"}


def test_everybody_may_leave(vision, boss):
    ada = builders.member(project=vision, user=builders.user(username="ada"), role="viewer")
    assert client_of(ada).delete(f"{URL}/ada").status_code == 204


def test_the_last_admin_stays_one(vision, boss):
    builders.member(project=vision, user=builders.user(username="off", is_active=False), role="admin")
    for answer in (client_of(boss).delete(f"{URL}/boss"), client_of(boss).patch(f"{URL}/boss", {"role": "member"})):
        assert (answer.status_code, answer.json()["state"]) == (409, "last_admin")
    assert roles()["boss"] == "admin"


def test_the_last_admin_may_go_where_somebody_above_manages_the_project(vision, boss):
    builders.member(project=vision.parent, user=boss, role="admin")
    assert client_of(boss).delete(f"{URL}/boss").status_code == 204


def test_staff_may_send_the_last_admin_away(boss):
    assert client_of(builders.user(staff=True)).delete(f"{URL}/boss").status_code == 204


def test_whoever_is_no_member_is_not_there(boss):
    assert client_of(boss).get(f"{URL}/ada").status_code == 404
    assert client_of(boss).delete(f"{URL}/ada").status_code == 404
