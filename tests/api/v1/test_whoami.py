"""/whoami: the caller, their projects with the role in each, and their token."""

import pytest
from knox.models import AuthToken

from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
URL = f"{V1}/whoami"


def test_projects_come_with_the_strongest_role():
    lab = builders.project(slug="lab")
    vision = builders.project(slug="vision", parent=lab)
    builders.project(slug="speech")
    ada = builders.member(project=lab, user=builders.user(username="ada"), role="admin")
    builders.member(project=vision, user=ada, role="viewer")
    assert client_of(ada).get(URL).json() == {
        "user": "ada", "staff": False, "token": None,
        "projects": [{"project": "lab", "role": "admin"}, {"project": "vision", "role": "admin"}],
    }  # fmt: skip


def test_staff_are_admins_of_every_project():
    builders.project(slug="lab")
    answer = client_of(builders.user(staff=True)).get(URL).json()
    assert answer["staff"]
    assert {"project": "lab", "role": "admin"} in answer["projects"]


def test_the_token_tells_when_it_ends():
    row, token = AuthToken.objects.create(builders.user())
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    told = client.get(URL).json()["token"]
    assert (told["id"], told["current"], told["expiry"][:10]) == (row.token_key, True, f"{row.expiry:%Y-%m-%d}")


def test_a_stranger_is_nobody():
    assert client_of().get(URL).status_code == 401
