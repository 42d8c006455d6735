"""Budgets of projects: set, look, change, remove."""

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.v1.shapes.budgets import BudgetChange, BudgetIn, BudgetOut, webhook_in
from jobs.messages import publishing
from jobs.planning.budget_reports import reports_of
from quotas.budgets import setting
from quotas.budgets.rows import Budget
from quotas.queries import find_project, visible_projects


class _Budgets(GenericAPIView[Budget]):
    queryset = Budget.objects.none()
    orderings = {"id": "id", "-id": "-id"}

    def page_of(self, rows: QuerySet[Budget]) -> Response:
        page = self.paginate_queryset(
            self.filter_queryset(rows.select_related("project", "webhook").prefetch_related("alerts"))
        )
        return self.get_paginated_response(BudgetOut(reports_of(page or ()), many=True).data)


class BudgetsView(_Budgets):
    @extend_schema(operation_id="budgets_list", responses=BudgetOut(many=True))
    def get(self, request: Request) -> Response:
        """The budgets of all your projects, with what is spent, committed and expected in the period that is now."""
        return self.page_of(Budget.objects.filter(project__in=visible_projects(caller(request))))


class ProjectBudgetsView(_Budgets):
    @extend_schema(operation_id="projects_budgets_list", responses=BudgetOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The project's own budgets, in the same way."""
        return self.page_of(Budget.objects.filter(project=find_project(caller(request), slug)))

    @extend_schema(operation_id="budgets_create", request=BudgetIn, responses={201: BudgetOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request, slug: str) -> Response:
        """A new budget: a hard one by staff or an admin of a project above, another one by the project's own admins too."""
        project = find_project(caller(request), slug)
        wanted = BudgetIn.read(request.data)
        webhook = webhook_in(wanted)
        made = setting.set_budget(project, setting.BudgetRequest(**wanted), caller(request))
        if webhook is not None:
            setting.set_webhook(made, caller(request), *webhook)
        publishing.request_cycle()
        return Response(shown(made), status=201)


class BudgetView(APIView):
    @extend_schema(operation_id="budgets_retrieve", responses=BudgetOut)
    def get(self, request: Request, budget_id: int) -> Response:
        """One budget, with what became of it in the period that is now."""
        return Response(shown(setting.find_budget(caller(request), budget_id)))

    @extend_schema(operation_id="budgets_change", request=BudgetChange, responses=BudgetOut)
    @transaction.atomic
    def patch(self, request: Request, budget_id: int) -> Response:
        """Change a budget, as those who may set it. A lower one stops new starts; what runs goes on."""
        wanted = BudgetChange.read(request.data)
        webhook = webhook_in(wanted)
        changed = setting.find_budget(caller(request), budget_id)
        if webhook is not None:
            setting.set_webhook(changed, caller(request), *webhook)
        if wanted:
            changed = setting.change_budget(changed, caller(request), **wanted)
        publishing.request_cycle()
        return Response(shown(changed))

    @extend_schema(operation_id="budgets_delete", request=None, responses={204: None})
    @transaction.atomic
    def delete(self, request: Request, budget_id: int) -> Response:
        """Remove a budget, as those who may set it. What was spent stays in the ledger."""
        setting.remove_budget(setting.find_budget(caller(request), budget_id), caller(request))
        publishing.request_cycle()
        return Response(status=204)


def shown(budget: Budget) -> object:
    [report] = reports_of([budget])
    return BudgetOut(report).data
