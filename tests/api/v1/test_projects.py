"""/projects: who sees, makes and changes what; the tree stays a tree."""

import pytest

from quotas.models import Project
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
URL = f"{V1}/projects"


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def tree():
    """An organisation, a team in it, and a study of that team."""
    organisation = builders.project(slug="organisation")
    team = builders.project(slug="team", parent=organisation)
    return organisation, team, builders.project(slug="study", parent=team)


def test_members_see_their_project_and_what_is_below(tree):
    builders.project(slug="elsewhere")
    found = rows(client_of(builders.member(project=tree[1], role="viewer")).get(URL))
    assert [(row["slug"], row["parent"]) for row in found] == [("study", "team"), ("team", "organisation")]


def test_what_is_above_or_beside_is_not_there(tree):
    client = client_of(builders.member(project=tree[1]))
    assert client.get(f"{URL}/study").status_code == 200
    assert client.get(f"{URL}/organisation").status_code == 404


def test_staff_make_a_project_anywhere(staff, tree):
    assert staff.post(URL, {"slug": "top"}).json()["parent"] is None
    response = staff.post(URL, {"slug": "new", "name": "New", "parent": "study"})
    assert (response.status_code, response.json()["parent"]) == (201, "study")


def test_an_admin_makes_projects_below_and_only_there(tree):
    client = client_of(builders.member(project=tree[1], role="admin"))
    assert client.post(URL, {"slug": "a", "parent": "team"}).status_code == 201
    assert client.post(URL, {"slug": "b", "parent": "study"}).status_code == 201
    assert client.post(URL, {"slug": "c"}).status_code == 403
    assert "parent" in faults(client.post(URL, {"slug": "d", "parent": "organisation"}))


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_others_make_and_change_nothing(tree, role):
    client = client_of(builders.member(project=tree[1], role=role))
    assert client.post(URL, {"slug": "a", "parent": "team"}).status_code == 403
    assert client.patch(f"{URL}/team", {"name": "Mine"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "slug"),
        ({"slug": "Upper"}, "slug"),
        ({"slug": "-a"}, "slug"),
        ({"slug": "a\0"}, "slug"),
        ({"slug": "x" * 64}, "slug"),
        ({"slug": "team"}, "slug"),
        ({"slug": "a", "parent": "nowhere"}, "parent"),
        ({"slug": "a", "parent": 5}, "parent"),
        ({"slug": "a", "name": "x" * 201}, "name"),
        ({"slug": "a", "quota": 5}, "quota"),
    ],
)
def test_a_project_that_cannot_be_is_refused_by_name(staff, tree, body, field):
    assert field in faults(staff.post(URL, body))


def test_an_admin_renames_and_archives(tree):
    client = client_of(builders.member(project=tree[1], role="admin"))
    answer = client.patch(f"{URL}/team", {"name": "The team", "archived": True}).json()
    assert (answer["name"], answer["archived"]) == ("The team", True)


def test_moving_takes_rights_at_both_ends(tree):
    other = builders.project(slug="other")
    admin = builders.member(project=tree[0], role="admin")
    client = client_of(admin)
    assert "parent" in faults(client.patch(f"{URL}/study", {"parent": "other"}))
    builders.member(project=other, user=admin, role="admin")
    assert client.patch(f"{URL}/study", {"parent": "other"}).json()["parent"] == "other"


def test_the_admin_of_a_branch_cannot_take_it_away(tree):
    admin = builders.member(project=tree[1], role="admin")
    builders.member(project=builders.project(slug="other"), user=admin, role="admin")
    client = client_of(admin)
    assert client.patch(f"{URL}/team", {"parent": "other"}).status_code == 403
    assert client.patch(f"{URL}/team", {"parent": None}).status_code == 403


@pytest.mark.parametrize("below", ["organisation", "team", "study"])
def test_a_project_cannot_come_to_lie_below_itself(staff, tree, below):
    assert "parent" in faults(staff.patch(f"{URL}/organisation", {"parent": below}))
    assert Project.objects.get(slug="organisation").parent is None


def test_naming_the_parent_that_it_has_changes_nothing(tree):
    client = client_of(builders.member(project=tree[1], role="admin"))
    assert client.patch(f"{URL}/team", {"parent": "organisation"}).status_code == 200


def test_more_projects_take_no_more_statements(tree, django_assert_num_queries):
    client = client_of(builders.member(project=tree[0]))
    with django_assert_num_queries(3):  # the tree, my memberships, the page
        assert len(rows(client.get(URL))) == 3
    for _ in range(20):
        builders.project(parent=tree[2])
    with django_assert_num_queries(3):
        assert len(rows(client.get(URL))) == 23


def test_the_weight_of_a_project_is_set_by_who_is_above_it(tree):
    own, above = (client_of(builders.member(project=project, role="admin")) for project in (tree[1], tree[0]))
    assert own.patch(f"{URL}/team", {"weight": 5}).status_code == 403
    assert own.patch(f"{URL}/study", {"weight": 2.5}).json()["weight"] == 2.5
    assert above.patch(f"{URL}/team", {"weight": 0}).json()["weight"] == 0
    assert own.post(URL, {"slug": "other", "parent": "team", "weight": 3}).json()["weight"] == 3
    assert own.get(f"{URL}/other").json()["weight"] == 3


@pytest.mark.parametrize("weight", [-1, "2", True, None, 1e300, 2_000_000])
def test_a_weight_is_a_number_from_0_on(staff, tree, weight):
    response = staff.patch(f"{URL}/team", {"weight": weight})
    assert response.status_code == 400
    assert set(faults(response)) == {"weight"}
