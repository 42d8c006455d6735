"""Attempts, placements and events: what the platform wrote down, to be read only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from console.admin import cells, job_page
from console.admin.filters import ReachedStateFilter, SearchedFilter, Searching
from console.admin.keeping import HistoryAdmin
from console.admin.search import FoundByNumber
from jobs.models import Attempt, IdleGpuStep, JobEvent, Placement, Preemption


@admin.register(Attempt)
class AttemptAdmin(FoundByNumber, HistoryAdmin):
    list_display = [
        "id", "job_link", "number", "places", "created_at", "started_at", "ended_at", "ran", "used", "end", "exit_code",
        "message",
    ]  # fmt: skip
    list_select_related = ["job", "preemption"]
    list_filter = ["end_reason", "created_at"]
    search_fields = ["job__name"]
    search_help_text = "Job number or name"
    number_field = "job"
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).prefetch_related("placements__node").annotate(now=Now())

    @admin.display(description="job", ordering="job")
    def job_link(self, attempt: Attempt) -> SafeString:
        return cells.link("jobs_job", attempt.job_id, attempt.job)

    @admin.display(description="nodes and GPUs")
    def places(self, attempt: Attempt) -> SafeString:
        shares = attempt.placements.all()
        return format_html_join(
            ", ", "{} [{}]", ((share.node.name, job_page.gpu_list(share.gpu_indices)) for share in shares)
        )

    @admin.display(description="run")
    def ran(self, attempt: Any) -> str:
        return job_page.attempt_row(attempt, attempt.now).ran

    @admin.display(description="used")
    def used(self, attempt: Attempt) -> str:
        return job_page.resource_usage(attempt)

    @admin.display(description="end", ordering="end_reason")
    def end(self, attempt: Attempt) -> SafeString | str:
        return cells.badge(attempt.end_reason) if attempt.end_reason else cells.badge("current")


@admin.register(Placement)
class PlacementAdmin(Searching, FoundByNumber, HistoryAdmin):
    list_display = [
        "id", "job_link", "rank", "node", "gpus", "cpus", "memory", "state_badge", "publish_count", "created_at",
        "claimed_at", "lease_expires_at", "closed_at",
    ]  # fmt: skip
    list_select_related = ["attempt__job", "node"]
    list_filter = ["state", ("node", SearchedFilter)]
    search_fields = ["attempt__job__name"]
    search_help_text = "Job number or name"
    number_field = "attempt__job"
    ordering = ["-id"]

    @admin.display(description="job", ordering="attempt__job")
    def job_link(self, placement: Placement) -> SafeString:
        return cells.link("jobs_job", placement.attempt.job_id, placement.attempt.job)

    @admin.display(description="GPUs")
    def gpus(self, placement: Placement) -> str:
        return job_page.gpu_list(placement.gpu_indices)

    @admin.display(description="memory", ordering="memory_mb")
    def memory(self, placement: Placement) -> str:
        return cells.gigabytes(placement.memory_mb)

    @admin.display(description="state", ordering="state")
    def state_badge(self, placement: Placement) -> SafeString:
        return cells.badge(placement.state)


@admin.register(JobEvent)
class JobEventAdmin(FoundByNumber, HistoryAdmin):
    list_display = ["id", "at", "job_link", "kind", "from_state", "reached", "attempt", "actor", "message"]
    list_select_related = ["job"]
    list_filter = [ReachedStateFilter, "at"]
    search_fields = ["=actor"]
    search_help_text = "Job number or actor"
    number_field = "job"
    ordering = ["-id"]

    @admin.display(description="job", ordering="job")
    def job_link(self, event: JobEvent) -> SafeString:
        return cells.link("jobs_job", event.job_id, event.job)

    @admin.display(description="to state", ordering="to_state")
    def reached(self, event: JobEvent) -> SafeString | str:
        return cells.badge(event.to_state) if event.to_state else cells.EMPTY


@admin.register(Preemption)
class PreemptionAdmin(FoundByNumber, HistoryAdmin):
    list_display = ["id", "at", "victim", "attempt_number", "made_room_for", "strategy", "lost", "end"]
    list_select_related = ["attempt__job", "for_job"]
    list_filter = ["strategy", "at"]
    search_fields = ["attempt__job__name"]
    search_help_text = "Number or name of the job that gave way"
    number_field = "attempt__job"
    ordering = ["-id"]

    @admin.display(description="job that gave way", ordering="attempt__job")
    def victim(self, preemption: Preemption) -> SafeString:
        return cells.link("jobs_job", preemption.attempt.job_id, preemption.attempt.job)

    @admin.display(description="attempt", ordering="attempt__number")
    def attempt_number(self, preemption: Preemption) -> int:
        return preemption.attempt.number

    @admin.display(description="to", ordering="for_job")
    def made_room_for(self, preemption: Preemption) -> SafeString | str:
        job = preemption.for_job
        return cells.link("jobs_job", job.pk, job) if job else cells.EMPTY

    @admin.display(description="work lost, as estimated", ordering="lost_seconds")
    def lost(self, preemption: Preemption) -> str:
        return f"{preemption.lost_seconds:,.0f} s"

    @admin.display(description="end", ordering="attempt__end_reason")
    def end(self, preemption: Preemption) -> SafeString:
        return cells.badge(preemption.attempt.end_reason or "current")


@admin.register(IdleGpuStep)
class IdleGpuStepAdmin(FoundByNumber, HistoryAdmin):
    list_display = ["id", "at", "job_link", "attempt_number", "rung", "idled", "freed"]
    list_select_related = ["attempt__job"]
    list_filter = ["rung", "at"]
    search_fields = ["attempt__job__name"]
    search_help_text = "Job number or name"
    number_field = "attempt__job"
    ordering = ["-id"]

    @admin.display(description="job", ordering="attempt__job")
    def job_link(self, step: IdleGpuStep) -> SafeString | str:
        return cells.link("jobs_job", step.attempt.job_id, step.attempt.job) if step.attempt else "(deleted)"

    @admin.display(description="attempt", ordering="attempt__number")
    def attempt_number(self, step: IdleGpuStep) -> int | str:
        return step.attempt.number if step.attempt else cells.EMPTY

    @admin.display(description="idle by then, GPU-hours", ordering="idle_gpu_seconds")
    def idled(self, step: IdleGpuStep) -> str:
        return f"{step.idle_gpu_seconds / 3600:,.2f}"

    @admin.display(description="given back, GPU-hours, as estimated", ordering="freed_gpu_seconds")
    def freed(self, step: IdleGpuStep) -> str:
        return f"{step.freed_gpu_seconds / 3600:,.2f}" if step.freed_gpu_seconds else cells.EMPTY
