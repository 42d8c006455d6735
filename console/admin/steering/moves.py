"""Moving jobs from the admin: asked on the job's page, and the history of all moves."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from console.admin import cells
from console.admin.keeping import HistoryAdmin
from console.admin.search import FoundByNumber
from jobs.control import moves
from jobs.control.moves import MoveRequest
from jobs.models import Job, JobMove
from scheduling.errors import TrainyardError
from scheduling.job_moves import CANCELLABLE, MoveOrigin
from scheduling.lifecycle import PLACED_STATES

REASON_LENGTH = 400


class MoveForm(forms.Form):
    node = forms.CharField(max_length=63, required=False)
    reason = forms.CharField(max_length=REASON_LENGTH, required=False)
    force = forms.BooleanField(required=False)


@admin.register(JobMove)
class JobMoveAdmin(FoundByNumber, HistoryAdmin):
    list_display = [
        "id",
        "created_at",
        "job_link",
        "state_badge",
        "origin",
        "from_nodes",
        "to_nodes",
        "asked_by",
        "why",
        "lost",
        "took",
    ]
    list_select_related = ["job"]
    list_filter = ["state", "origin", "created_at"]
    search_fields = ["job__name"]
    search_help_text = "Job number or name"
    number_field = "job"
    ordering = ["-id"]

    @admin.display(description="job", ordering="job")
    def job_link(self, move: JobMove) -> SafeString:
        return cells.link("jobs_job", move.job_id, move.job)

    @admin.display(description="state", ordering="state")
    def state_badge(self, move: JobMove) -> SafeString:
        return cells.badge(move.state, move.message)

    @admin.display(description="from")
    def from_nodes(self, move: JobMove) -> str:
        return ", ".join(move.sources)

    @admin.display(description="to")
    def to_nodes(self, move: JobMove) -> str:
        return ", ".join(move.nodes or move.targets) or "any node"

    @admin.display(description="why")
    def why(self, move: JobMove) -> str:
        return move.message or move.reason or cells.EMPTY

    @admin.display(description="work lost, as estimated", ordering="lost_seconds")
    def lost(self, move: JobMove) -> str:
        return cells.EMPTY if move.lost_seconds is None else f"{move.lost_seconds:,.0f} s"

    @admin.display(description="took")
    def took(self, move: JobMove) -> str:
        return cells.duration(move.closed_at - move.created_at if move.closed_at else None)


def offered(job: Job) -> dict[str, Any]:
    """What the job's page offers: to move it, or to call off the move that is under way."""
    under_way = JobMove.objects.filter(job=job, closed_at=None).first()
    movable = job.state in PLACED_STATES and not job.desired and not job.suspended
    return {
        "move": under_way,
        "may_move": movable and under_way is None,
        "may_call_off": under_way is not None
        and under_way.origin == MoveOrigin.ASKED
        and under_way.state in CANCELLABLE,
    }


def move_urls(model_admin: "ModelAdmin[Job]") -> list[URLPattern]:
    """The addresses that the page's two buttons post to."""
    return [
        path(f"<int:job_id>/{name}/", model_admin.admin_site.admin_view(require_POST(view)), name=f"jobs_job_{name}")
        for name, view in (("migrate", _migrate), ("call_off", _call_off))
    ]


def _migrate(request: HttpRequest, job_id: int) -> HttpResponseRedirect:
    job = _job_to_change(request, job_id)
    form = MoveForm(request.POST)
    if not form.is_valid():
        messages.error(
            request, "; ".join(f"{name}: {' '.join(map(str, faults))}" for name, faults in form.errors.items())
        )
        return _back_to(job)
    try:
        move = moves.begin(job_id=job.pk, wanted=MoveRequest(**form.cleaned_data), actor=request.user.get_username())
    except TrainyardError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Moves from {', '.join(move.sources)} to {', '.join(move.targets)}.")
    return _back_to(job)


def _call_off(request: HttpRequest, job_id: int) -> HttpResponseRedirect:
    job = _job_to_change(request, job_id)
    move = get_object_or_404(JobMove, job=job, closed_at=None)
    try:
        with transaction.atomic():
            moves.cancel(job_id=job.pk, move_id=move.pk, actor=request.user.get_username())
    except TrainyardError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The move is called off.")
    return _back_to(job)


def _job_to_change(request: HttpRequest, job_id: int) -> Job:
    if not request.user.has_perm("jobs.change_job"):
        raise PermissionDenied
    return get_object_or_404(Job, pk=job_id)


def _back_to(job: Job) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
