"""Draining nodes from the admin: how, until when, and why are asked first."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from jobs.control import draining, node_removal
from scheduling.errors import ConflictError
from workers.models import Node

REASON_LENGTH = 200
LONGEST_MINUTES = 43_200
MODES = [
    (Node.DrainMode.WAIT, "let it end"),
    (Node.DrainMode.CHECKPOINT, "let it end; what can save its work gives way"),
    (Node.DrainMode.NOW, "stop it: everything goes back in line"),
]


class DrainForm(forms.Form):
    mode = forms.ChoiceField(choices=MODES, initial=Node.DrainMode.WAIT, required=False, label="What runs there")
    deadline_minutes = forms.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, required=False, label="At most (minutes)",
        help_text="What is left after that goes back in line. Empty: however long it takes.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=REASON_LENGTH, required=False,
        widget=forms.TextInput(attrs={"size": 60, "autofocus": True}),
        help_text="Others read it beside the node's state, say: new power supply until Friday.",
    )  # fmt: skip

    @property
    def terms(self) -> dict[str, Any]:
        """As `draining.drain` takes it."""
        minutes = self.cleaned_data["deadline_minutes"]
        return {
            "mode": self.cleaned_data["mode"] or Node.DrainMode.WAIT,
            "deadline_seconds": minutes * 60 if minutes else None,
            "reason": self.cleaned_data["reason"],
        }


@admin.action(description="Drain…", permissions=["change"])
def drain(
    model_admin: "admin.ModelAdmin[Node]", request: HttpRequest, nodes: QuerySet[Node]
) -> TemplateResponse | None:
    """Asks first, and comes back here with the answer."""
    form = DrainForm(request.POST if "apply" in request.POST else None)
    if form.is_bound and form.is_valid():
        for node in nodes:
            draining.drain(node, **form.terms)
        model_admin.message_user(request, f"{len(nodes)} draining: nothing new starts there.")
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Drain nodes", "opts": model_admin.opts, "form": form, "media": model_admin.media, "nodes": nodes,
    }  # fmt: skip
    return TemplateResponse(request, "console/drain.html", context)


@admin.action(description="Undrain", permissions=["change"])
def undrain(model_admin: "admin.ModelAdmin[Node]", request: HttpRequest, nodes: QuerySet[Node]) -> None:
    for node in nodes:
        draining.undrain(node)
    model_admin.message_user(request, f"{len(nodes)} take work again as soon as they are up.", messages.SUCCESS)


@admin.action(description="Remove (scaled away)", permissions=["change"])
def remove(model_admin: "admin.ModelAdmin[Node]", request: HttpRequest, nodes: QuerySet[Node]) -> None:
    """Those that are in use are named and stay."""
    for node in nodes:
        try:
            node_removal.remove(node)
        except ConflictError as error:
            model_admin.message_user(request, str(error), messages.ERROR)
        else:
            model_admin.message_user(request, f"Node {node} is removed.", messages.SUCCESS)
