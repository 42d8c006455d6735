"""The machines, as an operator sees them: what they are, whether they are heard of, and draining."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.template.response import TemplateResponse

from workers import heartbeats
from workers.models import Node

REASON_LENGTH = 200
FACTS: tuple[str, ...] = (
    "name", "hostname", "state", "cordoned", "drain_reason", "alive", "last_seen", "cpus", "memory_mb",
    "gpu_count", "labels", "version", "registered_at",
)  # fmt: skip


class DrainForm(forms.Form):
    reason = forms.CharField(
        max_length=REASON_LENGTH, required=False,
        widget=forms.TextInput(attrs={"size": 60, "autofocus": True}),
        help_text="Others read it beside the node's state, say: new power supply until Friday.",
    )  # fmt: skip


@admin.action(description="Drain…", permissions=["change"])
def drain(
    model_admin: "admin.ModelAdmin[Node]", request: HttpRequest, nodes: QuerySet[Node]
) -> TemplateResponse | None:
    """Asks for the reason first, and comes back here with the answer."""
    form = DrainForm(request.POST if "apply" in request.POST else None)
    if form.is_bound and form.is_valid():
        for node in nodes:
            heartbeats.drain(node, form.cleaned_data["reason"])
        model_admin.message_user(request, f"{len(nodes)} draining: what runs goes on, nothing new starts there.")
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Drain nodes", "opts": model_admin.opts, "form": form, "media": model_admin.media, "nodes": nodes,
    }  # fmt: skip
    return TemplateResponse(request, "workers/admin/drain.html", context)


@admin.action(description="Undrain", permissions=["change"])
def undrain(model_admin: "admin.ModelAdmin[Node]", request: HttpRequest, nodes: QuerySet[Node]) -> None:
    for node in nodes:
        heartbeats.undrain(node)
    model_admin.message_user(request, f"{len(nodes)} take work again as soon as they are up.", messages.SUCCESS)


@admin.register(Node)
class NodeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """A node's row is written by its agent: people only drain and undrain it."""

    list_display = ["name", "state", "alive", "last_seen", "cpus", "memory_mb", "gpu_count", "drain_reason"]
    list_filter = ["state", "cordoned"]
    search_fields = ["name", "hostname"]
    actions = [drain, undrain]
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
        return super().get_queryset(request).annotate(now=Now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a node registers itself

    def has_change_permission(self, request: HttpRequest, obj: Node | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Node | None = None) -> tuple[str, ...]:
        return FACTS
