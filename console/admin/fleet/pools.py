"""Pools of nodes: what each is to have and why, its bounds, and who acts for it."""

from copy import copy
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from console.admin import cells
from jobs.control import pools
from workers.models import NodePool

IN_THE_FORM = {"gpu_memory_gb": "gpu_memory_mb"}
FOUND = (
    "busy_nodes",
    "waiting_jobs",
    "wanted_nodes",
    "desired_nodes",
    "why",
    "idle_nodes",
    "emptying",
    "decided_at",
    "acted_at",
    "fault",
)


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    def clean(self) -> dict[str, Any]:
        """Asks the use case, which names what is wrong."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            wanted = copy(self.instance)
            for name, value in cleaned.items():
                setattr(wanted, name, value)
            for fault in pools.contradictions(wanted):
                self.add_error(IN_THE_FORM.get(fault.field, fault.field), ValidationError(fault.message, fault.code))
        return cleaned


@admin.action(description="Pause: show what is wanted, change nothing", permissions=["change"])
def pause(model_admin: Any, request: HttpRequest, chosen: QuerySet[NodePool]) -> None:
    model_admin.message_user(request, f"{chosen.update(paused=True)} paused.")


@admin.action(description="Resume", permissions=["change"])
def resume(model_admin: Any, request: HttpRequest, chosen: QuerySet[NodePool]) -> None:
    model_admin.message_user(request, f"{chosen.update(paused=False)} resumed.")


@admin.register(NodePool)
class NodePoolAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["name", "state_badge", "busy_nodes", "wanted_nodes", "to_have", "waiting_jobs", "why", "fault"]
    list_filter = ["paused", "actuator"]
    search_fields = ["name"]
    actions = [pause, resume]
    form = PoolForm
    readonly_fields = FOUND
    fieldsets = [
        (None, {"fields": ["name", "paused"]}),
        ("Each node", {"fields": ["cpus", "memory_mb", "gpus", "gpu_model", "gpu_memory_mb", "labels"]}),
        ("How many", {"fields": ["min_nodes", "max_nodes", "spare_nodes", "consolidate"]}),
        ("How fast", {"fields": ["lifetime_seconds", "startup_seconds", "scale_up_seconds", "scale_down_seconds"]}),
        ("Who acts", {"fields": ["actuator", "actuator_settings"]}),
        ("Found last", {"fields": list(FOUND)}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: NodePool | None = None) -> list[str]:
        return [*(["name"] if obj else []), *FOUND]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleted one at a time: the use case refuses one that is being scaled."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def has_delete_permission(self, request: HttpRequest, obj: NodePool | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not pools.is_scaled(obj))

    def save_model(self, request: HttpRequest, obj: NodePool, form: PoolForm, change: bool) -> None:
        """Only what was changed: what a decision has written meanwhile stays."""
        obj.save(update_fields=form.changed_data if change else None)

    @admin.display(description="state", ordering="paused")
    def state_badge(self, pool: NodePool) -> SafeString:
        return cells.badge("paused" if pool.paused else "failing" if pool.fault else pool.actuator)

    @admin.display(description="to have", ordering="desired_nodes")
    def to_have(self, pool: NodePool) -> SafeString | str:
        if pool.desired_nodes is None:
            return "-"
        figures = f"{pool.desired_nodes} of {pool.max_nodes}"
        return cells.bar(pool.desired_nodes, pool.max_nodes, figures) if pool.max_nodes else figures
