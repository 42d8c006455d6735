"""The machines with what runs on them. A node's row is written by its agent: people change nothing in it."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, FilteredRelation, Func, IntegerField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.admin import cells, node_actions, node_page
from console.admin.filters import FleetFilter
from console.admin.keeping import DeletedWhenUnused
from console.page_context import PageContext
from jobs.reports import node_condition, node_health
from workers import protocol
from workers.models import Node

GPUS_HELD = Sum(Func(F("open__gpu_indices"), function="cardinality", output_field=IntegerField()))


@admin.register(Node)
class NodeAdmin(DeletedWhenUnused, PageContext):
    list_display = [
        "name", "state_badge", "alive_badge", "running", "gpu_bar", "cpu_bar", "memory_bar", "measured", "last_seen",
        "drain_reason",
    ]  # fmt: skip
    list_filter = [FleetFilter, "state", "cordoned"]
    search_fields = ["name", "hostname"]
    fields = readonly_fields = (
        "name", "hostname", "labels", "version", "agent_protocol", "its_jobs", "registered_at", "leaves_at",
    )  # fmt: skip
    actions = [node_actions.drain, node_actions.undrain, node_actions.remove]
    change_form_template = "console/node.html"
    used_by = ("placements",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        """Each node with the sums over its open placements, and the database's clock, by which all heartbeats are written."""
        return (
            super()
            .get_queryset(request)
            .filter(removed_at__isnull=True)
            .annotate(
                now=Now(),
                open=FilteredRelation("placements", condition=Q(placements__closed_at__isnull=True)),
                running_jobs=Count("open"),
                cpus_held=Coalesce(Sum("open__cpus"), 0),
                memory_held=Coalesce(Sum("open__memory_mb"), 0),
                gpus_held=Coalesce(GPUS_HELD, 0),
            )
        )

    @admin.display(description="state", ordering="state")
    def state_badge(self, node: Any) -> SafeString:
        words = node_health.drain_sentence(node, node.running_jobs) or protocol.skew(protocol.spoken_by(node))
        badge = cells.badge(node.state, node.drain_reason)
        return format_html('{} <small class="ty-quiet">{}</small>', badge, words) if words else badge

    @admin.display(description="liveness", ordering="last_heartbeat_at")
    def alive_badge(self, node: Any) -> SafeString:
        deaf = node_health.consuming(node) is False
        return cells.badge("deaf") if deaf else cells.badge(node.liveness(node.now))

    @admin.display(description="last heartbeat", ordering="last_heartbeat_at")
    def last_seen(self, node: Any) -> str:
        if node.last_heartbeat_at is None:
            return "never"
        return f"{max(0, (node.now - node.last_heartbeat_at).total_seconds()):,.0f} s ago"

    @admin.display(description="jobs", ordering="running_jobs")
    def running(self, node: Any) -> SafeString:
        query = f"node__id__exact={node.pk}&state__exact=running"
        return cells.list_link("jobs_job", query, node.running_jobs)

    @admin.display(description="GPUs held", ordering="gpus_held")
    def gpu_bar(self, node: Any) -> SafeString | str:
        if not node.gpus:
            return cells.EMPTY
        simulated = format_html(' <small class="ty-quiet">{}</small>', "simulated") if node_page.simulated(node) else ""
        return format_html(
            "{}{}", cells.bar(node.gpus_held, len(node.gpus), f"{node.gpus_held} of {len(node.gpus)}"), simulated
        )

    @admin.display(description="CPUs held", ordering="cpus_held")
    def cpu_bar(self, node: Any) -> SafeString:
        return cells.bar(node.cpus_held, node.cpus, f"{node.cpus_held} of {node.cpus}")

    @admin.display(description="memory held", ordering="memory_held")
    def memory_bar(self, node: Any) -> SafeString:
        figures = f"{cells.gigabytes(node.memory_held)} of {cells.gigabytes(node.memory_mb)}"
        return cells.bar(node.memory_held, node.memory_mb, figures)

    @admin.display(description="CPU in use")
    def measured(self, node: Node) -> SafeString | str:
        percent = node_page.cpu_percent(node)
        return cells.EMPTY if percent is None else cells.bar(percent, 100, f"{percent:.0f} %")

    @admin.display(description="protocol")
    def agent_protocol(self, node: Node) -> str:
        spoken = protocol.spoken_by(node)
        return cells.EMPTY if spoken is None else " ".join(filter(None, [f"{spoken}.", protocol.skew(spoken)]))

    @admin.display(description="its jobs")
    def its_jobs(self, node: Node) -> str:
        names = node_condition.walls(node)
        told = "" if names is None else f"Walls: {', '.join(names) or 'none'}."
        return " ".join(filter(None, [node_condition.jobs_can_read(node), told])) or cells.EMPTY

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a node registers itself

    def has_change_permission(self, request: HttpRequest, obj: Node | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def page_context(self, request: HttpRequest, obj: Node) -> dict[str, Any]:
        known = node_page.context(obj)
        return {
            **known,
            "summary": self._summary(obj),
            "may_drain": self.has_change_permission(request),
            "health": node_health.health(obj, jobs=known["jobs_left"]),
        }

    def _summary(self, node: Node) -> dict[str, SafeString | str]:
        return {
            "state": self.state_badge(node),
            "liveness": self.alive_badge(node),
            "last_seen": self.last_seen(node),
            "gpus": self.gpu_bar(node),
            "cpus": self.cpu_bar(node),
            "memory": self.memory_bar(node),
            "measured": self.measured(node),
        }
