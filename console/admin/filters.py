"""The filters beside the admin's lists."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.forms import Media, ModelChoiceField
from django.http import HttpRequest

from jobs.models import Job
from scheduling.lifecycle import JobState
from scheduling.priorities import CLASSES, HIGHEST, LOWEST, NORMAL_FROM, URGENT_FROM
from workers.models import Node
from workers.queries import in_use

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
    """Offers only the related rows that some job points to: for the few queues that there are."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Any:
        has_jobs = Q(Exists(Job.objects.filter(**{field.name: OuterRef("pk")})))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=has_jobs)


class SearchedFilter(admin.RelatedFieldListFilter):
    """A field to type in instead of a list, for projects, users and nodes: there may be thousands."""

    template = "console/searched_filter.html"

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, **of: Any) -> None:
        super().__init__(field, request, params, model, model_admin, **of)
        self.site = model_admin.admin_site
        related = self.site._registry.get(field.remote_field.model)  # noqa: SLF001  Django has no other way to ask
        self.may_search = related is not None and related.has_view_permission(request)

    def field_choices(self, field: Any, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[Any]:
        return []

    def has_output(self) -> bool:
        return self.may_search or bool(self.lookup_val)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        own = (self.lookup_kwarg, self.lookup_kwarg_isnull, "p")
        chosen = self.lookup_val[-1] if self.lookup_val else None
        widget = AutocompleteSelect(self.field, self.site)
        field: Any = self.field
        choices = ModelChoiceField(field.remote_field.model.objects.all(), widget=widget, required=False)
        yield {
            "widget": choices.widget.render(self.lookup_kwarg, chosen, {"id": f"filter-{self.field_path}"}),
            "label_for": f"filter-{self.field_path}",
            "kept": [
                (name, value)
                for name, values in changelist.filter_params.items()
                if name not in own
                for value in values
            ],
            "query": changelist.query,
            "without": changelist.get_query_string(remove=list(own)),
            "chosen": chosen,
        }


class Searching:
    """For lists that have such a filter: the scripts and styles of Django's own search fields."""

    @property
    def media(self) -> Media:
        own: Media = super().media  # type: ignore[misc]  # a mixin of ModelAdmin
        return own + AutocompleteSelect(Job.project.field, admin.site).media


class FleetFilter(admin.SimpleListFilter):
    """The fleet as it is, unless somebody asks for those whose agent said goodbye long ago, too."""

    title = "fleet"
    parameter_name = "fleet"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "Also scaled away long ago")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        fleet, *others = super().choices(changelist)
        yield {**fleet, "display": "In use"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Node]) -> QuerySet[Node]:
        return queryset if self.value() else in_use(queryset)
