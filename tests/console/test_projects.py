"""Projects in the admin: the tree, what each holds of its quota, members."""

import pytest
from django.test import Client

from jobs.models import Job, Queue
from quotas.models import Budget, Membership, Project, Quota
from tests import builders
from tests.admin_pages import operator, page, queries, staff

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
    assert "3 of 8<svg" in page(client, PROJECTS)


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
    assert "0 of 4 GPUs used" in page(client, f"{PROJECTS}{Project.objects.get().pk}/change/")


def test_gpu_time_ahead_is_typed_and_shown_in_hours(client):
    project = builders.project(slug="vision", quota={"gpus": 4, "gpu_seconds_ahead": 45_000})
    page = f"/admin/quotas/project/{project.pk}/change/"
    assert 'name="quota-0-gpu_hours_ahead" value="12.5"' in client.get(page).content.decode()
    form = {
        "name": "", "weight": 1, "quota-TOTAL_FORMS": 1, "quota-INITIAL_FORMS": 1, "quota-0-id": project.quota.pk, "quota-0-project": project.pk,
        "quota-0-gpus": 4, "quota-0-gpu_models": "", "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0,
    }  # fmt: skip
    client.post(page, form | {"quota-0-gpu_hours_ahead": "20.25", "quota-0-user_gpu_hours_ahead": "5"})
    quota = Quota.objects.get()
    assert (quota.gpu_seconds_ahead, quota.user_gpu_seconds_ahead, quota.gpus) == (72_900, 18_000, 4)
    refused = client.post(page, form | {"quota-0-gpu_hours_ahead": "-1"}).content.decode()
    assert "greater than or equal to 0" in refused
    client.post(page, form | {"quota-0-gpu_hours_ahead": ""})
    assert Quota.objects.get().gpu_seconds_ahead is None


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


@pytest.mark.parametrize("limit", ["-1", "NaN", "1e308", "1.125", "2147483648", "many"])
def test_a_limit_that_cannot_be_is_named_at_its_field_and_nothing_is_changed(client, limit):
    project = builders.project(quota={"gpus": 4})
    inline = {
        "quota-TOTAL_FORMS": 1, "quota-INITIAL_FORMS": 1, "quota-0-id": project.quota.pk, "quota-0-project": project.pk,
        "quota-0-gpus": limit, "quota-0-enforced": "on",
    }  # fmt: skip

    answer = move(client, project, name="Other", **inline)

    [formset] = [one.formset for one in answer.context["inline_admin_formsets"] if one.formset.prefix == "quota"]
    assert list(formset.errors[0]) == ["gpus"]
    assert Quota.objects.get().gpus == 4
    assert Project.objects.get().name == ""


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
    assert "3 of 1 GPU used, 2 borrowed of at most 3, 8 asked for by those that wait" in shown
    assert "2 lent" in page(client, f"{PROJECTS}{lender.pk}/change/")
    listed = page(client, PROJECTS)
    assert "3 of 1<svg" in listed
    assert "2 borrowed, 8 wanted" in listed


def test_a_project_s_page_shows_its_budgets_to_those_who_may_see_them(client):
    vision = builders.project(slug="vision")
    budget = Budget.objects.create(project=vision, unit="gpu_hours", amount=10, period="day", hard=True)
    words = "0.00 spent, 0.00 committed, 0.00 expected by the end of the day, of 10.00 GPU-hours, hard: 0 % taken"
    address = f"{PROJECTS}{vision.pk}/change/"
    assert f'<a href="/admin/quotas/budget/{budget.pk}/change/">GPU-hours a day</a>' in page(client, address)
    assert words in page(client, address)
    assert words in page(client, PROJECTS)
    looking = staff("view_project")
    assert words not in page(looking, address) + page(looking, PROJECTS)


def test_what_people_call_a_project_is_no_html(client):
    builders.project(slug="bold", name="<b>bold</b>")
    assert "<b>bold</b>" not in page(client, PROJECTS)


def test_five_hundred_projects_are_listed_in_as_many_statements_as_five(client):
    grow(5)
    few = queries(client, PROJECTS)
    grow(495)
    assert queries(client, PROJECTS) == few


def grow(projects):
    """So many more in one cohort, each with a quota, a budget and a job that waits."""
    top = Project.objects.filter(slug="top").first() or builders.project(slug="top")
    many = range(Project.objects.count(), Project.objects.count() + projects)
    made = Project.objects.bulk_create(Project(slug=f"p{number}", parent=top) for number in many)
    line = Queue.objects.get(name="default")
    Quota.objects.bulk_create(Quota(project=one, gpus=2, borrowing_gpus=2, lending_gpus=1) for one in made)
    Budget.objects.bulk_create(Budget(project=one, unit="gpu_hours", amount=10, period="day") for one in made)
    Job.objects.bulk_create(Job(project=one, queue=line, name=one.slug, command=["true"], gpus=1) for one in made)
