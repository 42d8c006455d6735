"""What may be deleted by hand, and what is history that nobody edits."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class ReadOnly:
    """Pages on which nobody adds, edits or deletes a row."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HistoryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """Rows that the platform wrote: to be read, never edited."""

    show_full_result_count = False
    list_per_page = 50


class DeletedWhenUnused:
    """Deletes one row at a time, and only while nothing in the relations `used_by` points to it.

    Django would otherwise load and list every protected row, which may be a million jobs.
    """

    used_by: tuple[str, ...] = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]  # a mixin of ModelAdmin
        actions.pop("delete_selected", None)
        return actions

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if not super().has_delete_permission(request, obj):  # type: ignore[misc]  # a mixin of ModelAdmin
            return False
        return obj is None or not any(getattr(obj, relation).exists() for relation in self.used_by)
