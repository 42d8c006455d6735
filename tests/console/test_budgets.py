"""Budgets in the admin: set, changed and removed by the use case, with bars of what became of them."""

import pytest

from quotas.models import Budget
from tests import builders
from tests.admin_pages import operator, page, staff

pytestmark = pytest.mark.django_db
BUDGETS = "/admin/quotas/budget/"


def fields(project, **more):
    known = {"project": project.pk, "unit": "gpu_hours", "amount": "10", "period": "day", "zone": "UTC", "hard": "on"}
    dates = {"starts_at_0": "", "starts_at_1": "", "ends_at_0": "", "ends_at_1": ""}
    return known | dates | more


def test_a_budget_is_set_changed_shown_and_removed():
    client, project = operator(), builders.project(slug="vision")
    client.post(f"{BUDGETS}add/", fields(project))
    budget = Budget.objects.get()
    assert (budget.hard, budget.currency, budget.created_by) == (True, "", "operator")
    builders.running_job(project=project, gpu_indices=[0, 1], node=builders.node(gpus=2), max_runtime_seconds=60)

    assert "0.00 of 10.00 GPU-hours" in page(client, BUDGETS)
    client.post(f"{BUDGETS}{budget.pk}/change/", fields(project, amount="4.5"))
    assert Budget.objects.get().amount == 4.5
    client.post(f"{BUDGETS}{budget.pk}/delete/", {"post": "yes"})
    assert not Budget.objects.exists()


def test_what_the_use_case_refuses_stands_at_its_field():
    client, project = operator(), builders.project()
    answers = [
        client.post(f"{BUDGETS}add/", fields(project, **wrong))
        for wrong in ({"zone": "Mars"}, {"period": "once"}, {"amount": "-1"})
    ]
    assert [list(answer.context["adminform"].form.errors) for answer in answers] == [["zone"], ["ends_at"], ["amount"]]


def test_who_may_only_look_sets_none():
    assert staff("view_budget").get(f"{BUDGETS}add/").status_code == 403
