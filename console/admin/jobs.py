"""The list of jobs and the page of one job."""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from console.admin import cells, job_actions, job_deletion, job_page
from console.admin.editing import form_pages
from console.admin.filters import HardwareFilter, PriorityClassFilter, SearchedFilter, Searching, WithJobsFilter
from console.admin.job_form import JobForm
from console.admin.job_rows import with_times
from console.admin.search import FoundByNumber
from console.admin.steering import moves
from console.page_context import PageContext
from jobs.control.job_deletion import delete
from jobs.editing.edit import edit
from jobs.models import Job
from jobs.models.rights import answers_for
from jobs.state.queue_transitions import UNSTARTED
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.reasons import gigabytes, gpu_gigabytes

ANY_TIME = ("name", "labels")
WHILE_IT_WAITS = (
    "queue", "priority", "max_runtime_seconds", "estimated_runtime_seconds", "stall_seconds", "stall_action",
    "begin_at", "deadline",
    "max_retries", "checkpointable", "preemptible", "on_dependency_failure", "grace_seconds",
)  # fmt: skip
WHAT_IT_RUNS = ("command_line", "working_dir", "variables", "hardware_cell", "memory", "gpu_memory")
HISTORY = (
    "project", "owner", "submission_key", "created_at", "queued_at", "started_at", "finished_at",
    "retries_used", "platform_retries_used", "estimated_cost", "actual_cost",
)  # fmt: skip
FACTS = WHAT_IT_RUNS + HISTORY
WISHES = {"cancel": "being cancelled", "requeue": "being requeued", "preempt": "giving way", "pause": "being paused"}


def remark_on(job: Job) -> str:
    """What the state alone does not say: what is wished of the job, that it stands still, who holds it."""
    if job.held_at is not None:
        return f"held by {job.held_by}"
    return "suspended" if job.suspended else WISHES.get(job.desired, "")


@admin.register(Job)
class JobAdmin(Searching, FoundByNumber, PageContext):
    list_display = [
        "number", "title", "state_badge", "standing", "priority_cell", "owned_by", "queue", "hardware_cell",
        "node", "wait", "run",
    ]  # fmt: skip
    list_display_links = ["number", "title"]
    list_select_related = ["project", "queue", "node", "owner"]
    list_filter = [
        "state",
        ("queue", WithJobsFilter),
        ("project", SearchedFilter),
        ("owner", SearchedFilter),
        ("node", SearchedFilter),
        HardwareFilter,
        PriorityClassFilter,
        "created_at",
    ]
    search_fields = ["name", "project__slug", "owner__username", "submission_key"]
    search_help_text = "Job number, name, project, owner or submission key"
    date_hierarchy = "created_at"
    list_per_page = 50
    form = JobForm
    show_full_result_count = False
    actions = job_actions.ACTIONS
    change_list_template = "console/job_list.html"
    change_form_template = "console/job.html"
    fieldsets = [
        ("May change at any time", {"fields": [ANY_TIME]}),
        ("May change while it waits", {"fields": [WHILE_IT_WAITS[:2], WHILE_IT_WAITS[2:5], *WHILE_IT_WAITS[5:]]}),
        ("What it runs", {"fields": [*WHAT_IT_RUNS[:3], WHAT_IT_RUNS[3:]]}),
        ("Where it comes from, and what it cost", {"fields": [HISTORY[:3], HISTORY[3:7], HISTORY[7:9], HISTORY[9:]]}),
    ]

    @admin.display(description="id", ordering="id")
    def number(self, job: Job) -> int:
        return job.pk

    @admin.display(description="name", ordering="name")
    def title(self, job: Job) -> SafeString:
        return format_html('<span class="ty-name" title="{0}">{0}</span>', job.name)

    @admin.display(description="state", ordering="state")
    def state_badge(self, job: Job) -> SafeString:
        badge = cells.badge(job.state, job.message or job.end_reason)
        remark = remark_on(job)
        return format_html("{}<br><small>{}</small>", badge, remark) if remark else badge

    @admin.display(description="priority", ordering="priority")
    def priority_cell(self, job: Job) -> SafeString:
        return cells.priority(job.priority)

    @admin.display(description="project", ordering="project__slug")
    def owned_by(self, job: Job) -> SafeString:
        return format_html("{}<br><small>{}</small>", job.project, job.owner or "")

    @admin.display(description="hardware", ordering="gpus")
    def hardware_cell(self, job: Job) -> SafeString:
        parts = job_page.hardware(job)
        return format_html_join(mark_safe("<br>"), '<span class="ty-nowrap">{}</span>', ((part,) for part in parts))

    @admin.display(description="wait", ordering="waited")
    def wait(self, job: Any) -> SafeString:
        return format_html('<span class="ty-nowrap">{}</span>', cells.duration(job.waited))

    @admin.display(description="run", ordering="ran")
    def run(self, job: Any) -> SafeString:
        return format_html('<span class="ty-nowrap">{}</span>', cells.duration(job.ran))

    @admin.display(description="progress, or why it waits", ordering="progress")
    def standing(self, job: Job) -> SafeString | str:
        if job.state != JobState.PENDING:
            return cells.progress(job.progress)
        reasons = [*job_page.sentences(job), ""]
        return format_html('<span class="ty-why" title="{}">{}</span>', "\n".join(reasons), reasons[0])

    @admin.display(description="command")
    def command_line(self, job: Job) -> SafeString:
        return format_html('<code class="ty-code">{}</code>', job_page.command_line(job.command))

    @admin.display(description="environment")
    def variables(self, job: Any) -> SafeString:
        variables = job_page.environment(job.env, values=job.shows_values)
        return format_html('<code class="ty-code">{}</code>', variables or cells.EMPTY)

    @admin.display(description="memory")
    def memory(self, job: Job) -> str:
        return gigabytes(job.memory_mb) if job.memory_mb else "any"

    @admin.display(description="memory of a GPU")
    def gpu_memory(self, job: Job) -> str:
        return gpu_gigabytes(job.gpu_memory_mb) if job.gpu_memory_mb else "any"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return with_times(super().get_queryset(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        job: Any = super().get_object(request, object_id, from_field)
        if job is not None:
            job.shows_values = answers_for(cast("User", request.user), job)
        return job

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a job enters through submission alone

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.state in TERMINAL_STATES)

    def get_deleted_objects(
        self, objs: Iterable[Job], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        return job_deletion.preview(list(objs))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        delete(Job.objects.filter(pk__in=queryset.values("pk")))

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> list[str]:
        """All but what the use case would take. A form opened while the job waited is judged there, not cut here."""
        waits = obj is not None and obj.state in UNSTARTED
        editable = ANY_TIME if not waits and "priority" not in request.POST else ANY_TIME + WHILE_IT_WAITS
        return [name for name in (*ANY_TIME, *WHILE_IT_WAITS, *FACTS) if name not in editable]

    def get_urls(self) -> list[URLPattern]:
        return [*job_actions.button_urls(self), *moves.move_urls(self), *form_pages.urls(self), *super().get_urls()]

    def page_context(self, request: HttpRequest, obj: Job) -> dict[str, Any]:
        return {**job_page.context(obj, request.user), "summary": self._summary(obj)}

    def _summary(self, job: Job) -> dict[str, SafeString | str]:
        return {
            "state": self.state_badge(job),
            "progress": cells.progress(job.progress),
            "priority": self.priority_cell(job),
            "wait": self.wait(job),
            "run": self.run(job),
            "hardware": self.hardware_cell(job),
        }

    def save_model(self, request: HttpRequest, obj: Job, form: JobForm, change: bool) -> None:
        """Hands what was edited to the use case: the row is never written from here."""
        if form.has_changed():
            edit(job_id=obj.pk, user=cast("User", request.user), changes=form.changes)
