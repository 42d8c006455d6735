"""The machines, as an operator sees them: what they are, and whether they are heard of."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from workers.models import Node
from workers.queries import in_use

FACTS: tuple[str, ...] = (
    "name", "hostname", "state", "cordoned", "drain_reason", "alive", "last_seen", "cpus", "memory_mb",
    "gpu_count", "labels", "version", "registered_at",
)  # fmt: skip


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


@admin.register(Node)
class NodeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """A node's row is written by its agent: people change nothing in it."""

    list_display = ["name", "state", "alive", "last_seen", "cpus", "memory_mb", "gpu_count", "drain_reason"]
    list_filter = [FleetFilter, "state", "cordoned"]
    search_fields = ["name", "hostname"]
    fields = FACTS

    @admin.display(description="liveness", ordering="last_heartbeat_at")
    def alive(self, node: Any) -> str:
        return node.liveness(node.now)

    @admin.display(description="last heartbeat", ordering="last_heartbeat_at")
    def last_seen(self, node: Any) -> str:
        if node.last_heartbeat_at is None:
            return "never"
        return f"{max(0, (node.now - node.last_heartbeat_at).total_seconds()):,.0f} s ago"

    @admin.display(description="GPUs")
    def gpu_count(self, node: Node) -> int:
        return len(node.gpus)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        """With the database's clock, by which all agents' heartbeats are written."""
        return super().get_queryset(request).filter(removed_at__isnull=True).annotate(now=Now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a node registers itself

    def has_change_permission(self, request: HttpRequest, obj: Node | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Node | None = None) -> tuple[str, ...]:
        return FACTS
