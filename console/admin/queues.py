"""The queues: who goes first, and how long each line is."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, FilteredRelation, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from console.admin import cells
from console.admin.keeping import DeletedWhenUnused
from jobs.messages import publishing
from jobs.models import Queue
from scheduling.lifecycle import ACTIVE_STATES, PLACED_STATES, JobState
from scheduling.policies import POLICIES

WAITING = Count("live", filter=Q(live__state=JobState.PENDING))
RUNNING = Count("live", filter=Q(live__state__in=sorted(PLACED_STATES)))


def set_state(model_admin: "admin.ModelAdmin[Queue]", request: HttpRequest, queues: QuerySet[Queue], to: str) -> None:
    changed = queues.update(state=to)
    publishing.request_cycle()
    model_admin.message_user(request, f"{changed} {to}.")


@admin.action(description="Pause: take jobs, start none", permissions=["change"])
def pause(model_admin: "admin.ModelAdmin[Queue]", request: HttpRequest, queues: QuerySet[Queue]) -> None:
    set_state(model_admin, request, queues, Queue.State.PAUSED)


@admin.action(description="Drain: take no new jobs, start those it has", permissions=["change"])
def drain(model_admin: "admin.ModelAdmin[Queue]", request: HttpRequest, queues: QuerySet[Queue]) -> None:
    set_state(model_admin, request, queues, Queue.State.DRAINING)


@admin.action(description="Open", permissions=["change"])
def reopen(model_admin: "admin.ModelAdmin[Queue]", request: HttpRequest, queues: QuerySet[Queue]) -> None:
    set_state(model_admin, request, queues, Queue.State.OPEN)


class QueueForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    policy = forms.ChoiceField(
        required=False, choices=lambda: [("", "the platform's"), *((name, name) for name in sorted(POLICIES))]
    )

    def clean_placement_weights(self) -> dict[str, float]:
        """An empty field is none of its own."""
        return self.cleaned_data["placement_weights"] or {}


@admin.register(Queue)
class QueueAdmin(DeletedWhenUnused, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["name", "state_badge", "rank", "policy_used", "waiting", "running", "description"]
    list_filter = ["state"]
    search_fields = ["name", "description"]
    actions = [pause, reopen, drain]
    form = QueueForm
    autocomplete_fields = ["allowed_projects"]
    used_by = ("jobs",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        live = FilteredRelation("jobs", condition=Q(jobs__state__in=sorted(ACTIVE_STATES)))
        return super().get_queryset(request).annotate(live=live, waiting_jobs=WAITING, running_jobs=RUNNING)

    def save_model(self, request: HttpRequest, obj: Queue, form: QueueForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        publishing.request_cycle()

    @admin.display(description="state", ordering="state")
    def state_badge(self, queue: Queue) -> SafeString:
        return cells.badge(queue.state)

    @admin.display(description="policy", ordering="policy")
    def policy_used(self, queue: Queue) -> str:
        return queue.policy or "platform's"

    @admin.display(description="waiting", ordering="waiting_jobs")
    def waiting(self, queue: Any) -> SafeString:
        return cells.list_link("jobs_job", f"queue__id__exact={queue.pk}&state__exact=pending", queue.waiting_jobs)

    @admin.display(description="running", ordering="running_jobs")
    def running(self, queue: Any) -> SafeString:
        figures = f"{queue.running_jobs} of {queue.max_running}" if queue.max_running else str(queue.running_jobs)
        link = cells.list_link("jobs_job", f"queue__id__exact={queue.pk}&state__exact=running", figures)
        return cells.bar(queue.running_jobs, queue.max_running, link) if queue.max_running else link
