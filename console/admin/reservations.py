"""Nodes that are kept for a project or for maintenance: made and given back, never edited."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.models.planning import Reservation
from jobs.planning import reservations
from scheduling.reasons import listed
from workers.models import Node


class ReservationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    nodes = forms.ModelMultipleChoiceField(queryset=Node.objects.filter(removed_at__isnull=True).order_by("name"))

    class Meta:
        model = Reservation
        fields = ("name", "project", "start", "end")

    def clean(self) -> dict[str, Any]:
        """Asks the use case, which names what is wrong."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            for fault in reservations.faults_of(request_of(cleaned)):
                self.add_error(fault.field, ValidationError(fault.message, fault.code))
        return cleaned


def request_of(cleaned: dict[str, Any]) -> reservations.ReservationRequest:
    project = cleaned["project"]
    names = [node.name for node in cleaned["nodes"]]
    return reservations.ReservationRequest(
        cleaned["name"], names, cleaned["start"], cleaned["end"], project.slug if project else None
    )


@admin.register(Reservation)
class ReservationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["name", "start", "end", "kept_for", "node_names", "created_by"]
    list_select_related = ["project", "created_by"]
    list_filter = ["start"]
    search_fields = ["name", "project__slug", "nodes__name"]
    autocomplete_fields = ["project"]
    form = ReservationForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reservation]:
        return super().get_queryset(request).prefetch_related("nodes")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["name", "nodes", "project", "start", "end"]

    def save_model(self, request: HttpRequest, obj: Reservation, form: Any, change: bool) -> None:
        made = reservations.reserve(request_of(form.cleaned_data), cast("User", request.user))
        obj.pk, obj.created_at = made.pk, made.created_at

    def delete_model(self, request: HttpRequest, obj: Reservation) -> None:
        reservations.remove(obj, cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Reservation]) -> None:
        for one in queryset:
            self.delete_model(request, one)

    @admin.display(description="kept for", ordering="project__slug")
    def kept_for(self, reservation: Reservation) -> str:
        return reservation.project.slug if reservation.project else "maintenance"

    @admin.display(description="nodes")
    def node_names(self, reservation: Reservation) -> str:
        return listed(node.name for node in reservation.nodes.all())
