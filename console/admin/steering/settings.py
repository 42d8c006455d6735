"""The scheduler's settings in the admin: set in place of what the environment says, and every change that was made."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from console.admin.keeping import HistoryAdmin
from jobs.control import scheduler_settings
from jobs.models import SchedulerSetting, SchedulerSettingChange
from jobs.state.tunables import TUNABLES


class SettingForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    name = forms.ChoiceField(choices=[(name, f"{name}: {one.help}") for name, one in TUNABLES.items()])
    value = forms.JSONField(help_text='As JSON: "fifo", 5, true, ["priority"], {"age": 1000}.')
    reason = forms.CharField(max_length=400, required=False, help_text="Why, for the record.")

    class Meta:
        model = SchedulerSetting
        fields = ("name", "value", "reason")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        fault = TUNABLES[cleaned["name"]].fault(cleaned["value"]) if {"name", "value"} <= cleaned.keys() else ""
        if fault:
            self.add_error("value", ValidationError(fault))
        return cleaned

    def validate_unique(self) -> None:
        """One that is set already is set anew."""


@admin.register(SchedulerSetting)
class SchedulerSettingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """What is not in the list is as the environment says. Deleting one gives it back to the environment."""

    list_display = ["name", "value", "set_by", "set_at", "reason"]
    form = SettingForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: SchedulerSetting, form: Any, change: bool) -> None:
        found = form.cleaned_data
        actor = request.user.get_username()
        scheduler_settings.change({found["name"]: found["value"]}, actor=actor, reason=found["reason"])
        obj.pk = found["name"]

    def delete_model(self, request: HttpRequest, obj: SchedulerSetting) -> None:
        scheduler_settings.change({obj.name: None}, actor=request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SchedulerSetting]) -> None:
        for one in queryset:
            self.delete_model(request, one)


@admin.register(SchedulerSettingChange)
class SchedulerSettingChangeAdmin(HistoryAdmin):
    list_display = ["at", "name", "old", "new", "by", "reason"]
    list_filter = ["name", "at"]
    search_fields = ["name", "by", "reason"]
    ordering = ["-id"]
