"""Beat's schedule in the admin: what the platform lives by stays as the settings say; other entries are the operator's."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

SCHEDULES = (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule)
KEPT = "{} belong to the platform: nothing would be planned or repaired without them. They stay as they are."


def own_tasks() -> QuerySet[Any]:
    return PeriodicTask.objects.filter(name__in=list(settings.CELERY_BEAT_SCHEDULE))


class Protected:
    """No row that the platform lives by is changed or deleted, one by one or together with others."""

    def is_own(self, row: Any) -> bool:
        raise NotImplementedError

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]  # a mixin of ModelAdmin
        actions.pop("delete_selected", None)  # it would ask nobody
        return actions

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)  # type: ignore[misc]  # a mixin of ModelAdmin
        return allowed and not (obj is not None and self.is_own(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]  # a mixin of ModelAdmin
        return allowed and not (obj is not None and self.is_own(obj))


class TaskAdmin(Protected, PeriodicTaskAdmin):
    list_display = ("name", "enabled", "scheduler", "last_run_at", "one_off")
    list_filter = ("enabled", "one_off")
    date_hierarchy = None

    def is_own(self, row: Any) -> bool:
        return row.name in settings.CELERY_BEAT_SCHEDULE

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().disable_tasks(request, self.without_own(request, queryset))

    @admin.action(description="Toggle activity of selected tasks")
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().toggle_tasks(request, self.without_own(request, queryset))

    def without_own(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        names = list(queryset.filter(pk__in=own_tasks()).values_list("name", flat=True))
        if names:
            messages.error(request, KEPT.format(", ".join(names)))
        return queryset.exclude(pk__in=own_tasks())


class ScheduleAdmin(Protected, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """With a schedule go all tasks that use it, and a longer one is as good as none."""

    def is_own(self, row: Any) -> bool:
        return bool(own_tasks().filter(pk__in=row.periodictask_set.all()).exists())


def register(site: AdminSite) -> None:
    """Instead of what the package has registered."""
    site.unregister([PeriodicTask, *SCHEDULES])
    site.register(PeriodicTask, TaskAdmin)
    site.register(SCHEDULES, ScheduleAdmin)
