"""Prices, which are set and ended and never edited, and the ledger, which is only read."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from console.admin.keeping import HistoryAdmin
from console.admin.search import FoundByNumber
from quotas.clock import database_now
from quotas.costs import prices
from quotas.models import LedgerEntry, LedgerTransaction, Price


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    valid_from = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime, help_text="Empty: from now on.")

    class Meta:
        model = Price
        fields = ("target", "name", "capacity", "per_hour", "valid_from", "valid_to")

    def clean(self) -> dict[str, Any]:
        """Asks the use case, which names what is wrong."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            for fault in prices.faults_of(prices.PriceRequest(**cleaned), database_now()):
                self.add_error(fault.field, ValidationError(fault.message, fault.code))
        return cleaned

    def _post_clean(self) -> None:
        """The row is made by the use case, which knows its beginning and its currency."""


@admin.action(description="End now", permissions=["add"])
def end_now(model_admin: "admin.ModelAdmin[Price]", request: HttpRequest, rows: QuerySet[Price]) -> None:
    for price in rows:
        prices.end_price(price.pk, cast("User", request.user))
    model_admin.message_user(request, f"{len(rows)} ended.")


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["id", "title", "per_hour", "currency", "valid_from", "valid_to", "created_by"]
    list_filter = ["target", "capacity"]
    search_fields = ["name"]
    ordering = ["-id"]
    form = PriceForm
    actions = [end_now]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.valid_from > database_now())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)  # one that was valid is ended, not forgotten
        return actions

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        made = prices.set_price(prices.PriceRequest(**form.cleaned_data), cast("User", request.user))
        for field in Price._meta.concrete_fields:  # noqa: SLF001  Django's own way
            setattr(obj, field.attname, getattr(made, field.attname))

    def delete_model(self, request: HttpRequest, obj: Price) -> None:
        prices.remove_price(obj.pk, cast("User", request.user))


class EntryInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = LedgerEntry
    fields = readonly_fields = ("account", "amount")
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LedgerTransaction)
class LedgerAdmin(FoundByNumber, HistoryAdmin):
    list_display = [
        "id", "at", "kind", "cost", "currency", "job", "job_name", "attempt", "project_slug", "user_name", "node", "reason",
    ]  # fmt: skip
    list_filter = ["kind", "at"]
    search_fields = ["job_name"]
    search_help_text = "Job number or name"
    number_field = "job"
    ordering = ["-id"]
    inlines = [EntryInline]
