"""Projects in the admin: the tree, what each holds of its quota, members."""

import pytest
from django.test import Client

from quotas.models import Membership, Project, Quota
from tests import builders
from tests.admin_pages import operator, page

pytestmark = pytest.mark.django_db
PROJECTS = "/admin/quotas/project/"


@pytest.fixture
def client() -> Client:
    return operator()


def test_projects_are_listed_as_a_tree_with_what_each_holds(client):
    top = builders.project(slug="zoo", quota={"gpus": 8, "running_jobs": 1})
    builders.project(slug="ant", parent=builders.project(slug="bee", parent=top), quota={"gpus": 2})
    builders.project(slug="alone")
    builders.running_job(project=Project.objects.get(slug="ant"), gpu_indices=[0, 1, 2])
    builders.job(project=top)
    rows = client.get(PROJECTS).context["cl"].result_list
    assert ["/".join(row.path) for row in rows] == ["alone", "zoo", "zoo/bee", "zoo/bee/ant"]
    held = {row.slug: (row.usage["gpus"], row.usage["running_jobs"], row.usage["waiting_jobs"]) for row in rows}
    assert held == {"alone": (0, 0, 0), "zoo": (3, 1, 1), "bee": (3, 1, 0), "ant": (3, 1, 0)}
    assert "3 of 8 <progress" in page(client, PROJECTS)


def test_a_column_sorts_projects_instead_of_the_tree(client):
    builders.project(slug="a-child", parent=builders.project(slug="b-parent"))
    shown = [row.slug for row in client.get(PROJECTS, {"o": "1"}).context["cl"].result_list]
    assert shown == ["a-child", "b-parent"]


def test_a_circle_of_projects_does_not_hang_the_list(client):
    one, two = builders.project(), builders.project()
    Project.objects.filter(pk=one.pk).update(parent=two)
    Project.objects.filter(pk=two.pk).update(parent=one)
    assert page(client, PROJECTS)


def test_a_project_is_made_with_its_quota_and_its_members(client):
    ana = builders.user(username="ana")
    form = {
        "slug": "vision", "name": "Vision", "weight": 2, "quota-TOTAL_FORMS": 1, "quota-INITIAL_FORMS": 0, "quota-0-gpus": 4, "quota-0-user_gpus": 2, "quota-0-gpu_models": "",
        "quota-0-enforced": "on", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 0,
        "memberships-0-user": ana.pk, "memberships-0-role": "admin",
    }  # fmt: skip
    client.post(f"{PROJECTS}add/", form)
    quota = Quota.objects.get()
    assert (quota.gpus, quota.user_gpus, quota.gpu_models) == (4, 2, {})
    assert Membership.objects.get().role == "admin"
    assert "0 of 4 <progress" in page(client, f"{PROJECTS}{Project.objects.get().pk}/change/")


def move(client: Client, project: Project, **fields):
    """Post the project's page with these fields changed."""
    forms = {f"{name}-{count}_FORMS": 0 for name in ("quota", "memberships") for count in ("TOTAL", "INITIAL")}
    return client.post(f"{PROJECTS}{project.pk}/change/", {"name": "", "parent": "", "weight": 1} | forms | fields)


def test_a_project_moves_below_another(client):
    project, above = builders.project(), builders.project()
    move(client, project, parent=above.pk, name="Moved", archived="on", slug="other")
    moved = Project.objects.get(pk=project.pk)
    assert (moved.parent, moved.name, moved.archived, moved.slug) == (above, "Moved", True, project.slug)


def test_a_project_cannot_move_below_itself(client):
    top = builders.project()
    below = builders.project(parent=top)
    for parent in (top, below):
        answer = move(client, top, parent=parent.pk)
        assert list(answer.context["adminform"].form.errors) == ["parent"]


def test_a_bad_slug_is_named(client):
    form = {"slug": "No Spaces", "quota-TOTAL_FORMS": 0, "quota-INITIAL_FORMS": 0}
    answer = client.post(f"{PROJECTS}add/", form | {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0})
    assert "slug" in answer.context["adminform"].form.errors


def test_a_project_with_jobs_or_children_is_not_deleted(client):
    used, parent = builders.job().project, builders.project()
    builders.project(parent=parent)
    for project in (used, parent):
        assert client.post(f"{PROJECTS}{project.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_project_s_page_shows_what_is_borrowed_lent_and_asked_for(client):
    top = builders.project(slug="top")
    lender = builders.project(slug="lender", parent=top, quota={"gpus": 4})
    borrower = builders.project(slug="borrower", parent=top, quota={"gpus": 1, "borrowing_gpus": 3})
    builders.running_job(project=borrower, gpu_indices=[0, 1, 2])
    builders.job(project=borrower, gpus=4, nodes=2)

    shown = page(client, f"{PROJECTS}{borrower.pk}/change/")
    assert "3 of 1 <progress" in shown
    assert "2 borrowed of at most 3, 8 asked for by those that wait" in shown
    assert "2 lent" in page(client, f"{PROJECTS}{lender.pk}/change/")
