"""Budgets, with a bar of what is spent, committed and expected of each; set, changed and removed by the use cases."""

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from console.admin import cells
from jobs.messages import publishing
from jobs.planning.budget_use.reports import BudgetReport, reports_of
from quotas.budgets import setting
from quotas.clock import database_now
from quotas.models import Budget

CHANGEABLE = ("amount", "zone", "starts_at", "ends_at", "hard")


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    class Meta:
        model = Budget
        fields = ("project", "unit", "amount", "period", "zone", "starts_at", "ends_at", "hard")

    def clean(self) -> dict[str, Any]:
        """Asks the use case, which names what is wrong."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            for fault in setting.faults_of(self.wanted(cleaned), database_now()):
                self.add_error(fault.field if fault.field in self.fields else None, ValidationError(fault.message))
        return cleaned

    def wanted(self, cleaned: dict[str, Any]) -> setting.BudgetRequest:
        own = {name: getattr(self.instance, name) for name in ("unit", "period")} if self.instance.pk else {}
        return setting.BudgetRequest(**own | {name: value for name, value in cleaned.items() if name != "project"})

    def _post_clean(self) -> None:
        """The row is made by the use case, which knows its beginning and its currency."""


@admin.register(Budget)
class BudgetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["id", "project", "period", "hard", "spent", "committed", "forecast", "zone"]
    list_filter = ["period", "unit", "hard"]
    list_select_related = ["project"]
    search_fields = ["project__slug"]
    autocomplete_fields = ["project"]
    ordering = ["project__slug", "id"]
    form = BudgetForm
    list_per_page = 100

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Each budget with what became of it, all at one moment."""
        changelist = super().get_changelist_instance(request)
        shown: list[Any] = list(changelist.result_list)
        for budget, report in zip(shown, reports_of(shown), strict=True):
            budget.report = report
        changelist.result_list = shown
        return changelist

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> list[str]:
        return ["project", "unit", "period"] if obj else []

    @admin.display(description="spent")
    def spent(self, budget: Any) -> SafeString:
        return _bar(budget.report, budget.report.spent)

    @admin.display(description="and committed")
    def committed(self, budget: Any) -> SafeString:
        return _bar(budget.report, budget.report.spent + budget.report.committed)

    @admin.display(description="expected")
    def forecast(self, budget: Any) -> SafeString:
        return _bar(budget.report, budget.report.forecast)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)  # one by one, by the use case
        return actions

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        actor = cast("User", request.user)
        if change:
            fields = {name: form.cleaned_data[name] for name in CHANGEABLE}
            made = setting.change_budget(Budget.objects.get(pk=obj.pk), actor, **fields)
        else:
            made = setting.set_budget(form.cleaned_data["project"], form.wanted(form.cleaned_data), actor)
        for field in Budget._meta.concrete_fields:  # noqa: SLF001  Django's own way
            setattr(obj, field.attname, getattr(made, field.attname))
        publishing.request_cycle()

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        setting.remove_budget(obj, cast("User", request.user))
        publishing.request_cycle()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        for budget in queryset:
            self.delete_model(request, budget)


def _bar(report: BudgetReport, amount: Decimal) -> SafeString:
    unit = report.budget.currency or "GPU-hours"
    return cells.bar(float(amount), float(report.budget.amount), f"{amount:.2f} of {report.budget.amount:.2f} {unit}")
