"""The filters beside the admin's lists."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from jobs.models import Job
from scheduling.lifecycle import JobState
from scheduling.priorities import CLASSES, HIGHEST, LOWEST, NORMAL_FROM, URGENT_FROM

BOUNDS = {
    "urgent": (URGENT_FROM, HIGHEST),
    "normal": (NORMAL_FROM, URGENT_FROM - 1),
    "background": (LOWEST, NORMAL_FROM - 1),
}


class HardwareFilter(admin.SimpleListFilter):
    title = "hardware"
    parameter_name = "hardware"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [("gpu", "gpu"), ("cpu", "cpu")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        conditions = {"gpu": Q(gpus__gt=0), "cpu": Q(gpus=0)}
        return queryset.filter(conditions.get(self.value() or "", Q()))


class PriorityClassFilter(admin.SimpleListFilter):
    title = "priority"
    parameter_name = "priority_class"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(word, f"{word} ({BOUNDS[word][0]}–{BOUNDS[word][1]})") for word in CLASSES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        bounds = BOUNDS.get(self.value() or "")
        return queryset.filter(priority__range=bounds) if bounds else queryset


class ReachedStateFilter(admin.SimpleListFilter):
    title = "state reached"
    parameter_name = "to_state"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(state.value, state.value) for state in JobState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(to_state=self.value()) if self.value() else queryset


class WithJobsFilter(admin.RelatedFieldListFilter):
    """Offers only the related rows that some job points to: of a thousand users, those who have submitted."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Any:
        has_jobs = Q(Exists(Job.objects.filter(**{field.name: OuterRef("pk")})))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=has_jobs)
