"""Clusters that run jobs by their own means: whether each answers, in which image jobs run, and giving one up."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from console.admin import cells
from jobs.control import cluster_loss
from scheduling.errors import ConflictError
from workers.clusters import why_silent
from workers.models import Cluster

FOUND = (
    "name",
    "kind",
    "reached_at",
    "reached_since",
    "fault",
    "unsupported",
    "workloads",
    "version",
    "lost_at",
    "lost_by",
)


@admin.action(description="Declare lost…", permissions=["change"])
def declare_lost(
    model_admin: "admin.ModelAdmin[Cluster]", request: HttpRequest, chosen: QuerySet[Cluster]
) -> TemplateResponse | None:
    """Asks first, and comes back here with the answer."""
    if "apply" not in request.POST:
        context = {
            **model_admin.admin_site.each_context(request),
            "title": "Declare lost", "opts": model_admin.opts, "media": model_admin.media, "clusters": chosen,
        }  # fmt: skip
        return TemplateResponse(request, "console/declare_lost.html", context)
    for cluster in chosen:
        try:
            ended = cluster_loss.declare_lost(cluster.name, request.user.get_username())
        except ConflictError as error:
            model_admin.message_user(request, str(error), messages.ERROR)
        else:
            model_admin.message_user(request, f"{cluster} is declared lost: {ended} places were given up.")
    return None


@admin.register(Cluster)
class ClusterAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["name", "kind", "state_badge", "reached_at", "running", "why"]
    list_filter = ["kind"]
    search_fields = ["name"]
    actions = [declare_lost]
    fields = (*FOUND[:2], "image", *FOUND[2:])
    readonly_fields = FOUND

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(now=Now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Cluster | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Cluster, form: Any, change: bool) -> None:
        """The image alone: what its bridge has written meanwhile stays."""
        obj.save(update_fields=form.changed_data)

    @admin.display(description="state")
    def state_badge(self, cluster: Any) -> SafeString:
        return cells.badge("up" if cluster.is_reached(cluster.now) else "lost" if cluster.lost_at else "down")

    @admin.display(description="running there")
    def running(self, cluster: Cluster) -> int:
        return int(cluster.workloads.get("running", 0))

    @admin.display(description="why")
    def why(self, cluster: Any) -> str:
        return "" if cluster.is_reached(cluster.now) else why_silent(cluster, cluster.now)
