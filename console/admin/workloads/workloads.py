"""The list of workloads and the page of one. What is wanted of one goes through the use cases that REST calls."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from console.admin import cells
from console.admin.filters import SearchedFilter
from console.admin.workloads import states
from console.page_context import PageContext
from jobs.control import workloads
from jobs.models import Workload
from jobs.reports.workload_statistics import Spread, statistics
from jobs.reports.workloads import NOTHING, summaries
from scheduling.errors import TrainyardError
from scheduling.lifecycle import JobState
from scheduling.workloads import ASKS, Verb, Wanted, refusal

JOBS_SHOWN = 50
EDITABLE = ("name", "description", "max_running", "stop_on_failure")


class Button(NamedTuple):
    """What it says, what it warns of, and what was done."""

    title: str
    warning: str
    done: str


BUTTONS = {
    "start": Button("Start", "Its jobs start in their turn.", "started"),
    "pause": Button("Pause", "What runs is stopped, with time to write a checkpoint; nothing of it starts.", "paused"),
    "resume": Button("Resume", "All of its jobs that are paused wait in line again.", "resumed"),
    "cancel": Button("Cancel", "All that has not ended is cancelled. Nothing takes this back.", "cancelled"),
    "retry-failed": Button(
        "Retry what failed",
        "What failed waits in line again, with what was cancelled because of it.",
        "told to retry what failed",
    ),
}


@admin.register(Workload)
class WorkloadAdmin(PageContext):
    list_display = [
        "name",
        "state_badge",
        "states_bar",
        "progress",
        "project",
        "owner",
        "ends",
        "cost",
        "first_failure",
    ]
    list_select_related = ["project", "owner"]
    list_filter = ["wanted", ("project", SearchedFilter), ("owner", SearchedFilter)]
    search_fields = ["name", "project__slug", "owner__username"]
    list_per_page = 50
    show_full_result_count = False
    change_form_template = "console/workload.html"
    fields = [EDITABLE]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # it comes with its jobs, or over REST, by its owner

    def has_delete_permission(self, request: HttpRequest, obj: Workload | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and _is_over(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleted one at a time: the use case refuses one that has jobs left."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The page's rows, each with how it stands: worked out for all of them at once."""
        changelist = super().get_changelist_instance(request)
        found = summaries(changelist.result_list)
        for workload in changelist.result_list:
            workload.summary = found[workload.pk]
        return changelist

    @admin.display(description="state", ordering="wanted")
    def state_badge(self, workload: Any) -> SafeString:
        return cells.badge(str(_summary(workload).phase))

    @admin.display(description="jobs by state")
    def states_bar(self, workload: Any) -> SafeString | str:
        return states.bar(_summary(workload).counts)

    @admin.display(description="progress")
    def progress(self, workload: Any) -> SafeString | str:
        return cells.progress(_summary(workload).progress)

    @admin.display(description="ends")
    def ends(self, workload: Any) -> str:
        summary = _summary(workload)
        end = summary.finished_at or summary.predicted_end
        return f"{end:%Y-%m-%d %H:%M} UTC" if end else cells.EMPTY

    @admin.display(description="cost")
    def cost(self, workload: Any) -> str:
        cost = _summary(workload).cost
        return cells.EMPTY if cost is None else f"{cost:.2f}"

    @admin.display(description="first failure")
    def first_failure(self, workload: Any) -> SafeString | str:
        first = _summary(workload).first_failure
        return (
            cells.EMPTY if first is None else cells.link("jobs_job", first.job, f"job {first.job}: {first.end_reason}")
        )

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:workload_id>/{name}/", self._button_view(name), name=f"jobs_workload_{name}")
            for name in BUTTONS
        ]
        return [*own, *super().get_urls()]

    def _button_view(self, name: str) -> Callable[..., HttpResponseBase]:
        def press(request: HttpRequest, workload_id: int) -> HttpResponseRedirect:
            if not request.user.has_perm("jobs.change_workload"):
                raise PermissionDenied
            workload = get_object_or_404(Workload, pk=workload_id)
            messages.add_message(request, *_pressed(workload, name, request.user.get_username()))
            return HttpResponseRedirect(reverse("admin:jobs_workload_change", args=[workload.pk]))

        return self.admin_site.admin_view(require_POST(press))

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        workload = obj
        workload.summary = summaries([workload])[workload.pk]
        found = statistics(workload)
        return {
            "workload": workload,
            "summary": workload.summary,
            "badge": self.state_badge(workload),
            "bar": self.states_bar(workload),
            "progress": self.progress(workload),
            "ends": self.ends(workload),
            "statistics": found,
            "waits": in_words(found.waits),
            "runs": in_words(found.runs),
            "jobs": workload.jobs.select_related("node").order_by("-pk")[:JOBS_SHOWN],
            "buttons": [(name, BUTTONS[name]) for name in possible(workload)],
        }

    def save_model(self, request: HttpRequest, obj: Workload, form: Any, change: bool) -> None:
        """Hands what was edited to the use case: the row is never written from here."""
        workloads.change(obj, {name: form.cleaned_data[name] for name in form.changed_data})

    def delete_model(self, request: HttpRequest, obj: Workload) -> None:
        workloads.remove(obj)


def possible(workload: Any) -> list[str]:
    """What there is to be asked of it now."""
    wish, summary = workload.wish, _summary(workload)
    verbs = [verb for verb in Verb if ASKS[verb] is not wish and not refusal(workload.name, wish, verb)]
    failed = summary.counts.get(JobState.FAILED, 0) and (wish is not Wanted.CANCELLED or workload.stopped_by)
    return [*map(str, verbs), *(["retry-failed"] if failed else [])]


def in_words(spread: Spread) -> str:
    if not spread.jobs:
        return cells.EMPTY
    mean, median, longest = (
        cells.duration(timedelta(seconds=seconds or 0)) for seconds in (spread.mean, spread.median, spread.longest)
    )
    return f"{mean} on average, {median} in the middle, {longest} at most"


def _pressed(workload: Workload, name: str, actor: str) -> tuple[int, str]:
    try:
        if name == "retry-failed":
            workloads.retry_failed(workload, actor)
        else:
            workloads.ask(workload, Verb(name), actor)
    except TrainyardError as refused:
        return messages.ERROR, str(refused)
    return messages.SUCCESS, f"Workload {workload} is {BUTTONS[name].done}."


def _summary(workload: Any) -> Any:
    return getattr(workload, "summary", NOTHING)


def _is_over(workload: Workload) -> bool:
    return not workload.jobs.exclude(state__in=[JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]).exists()
