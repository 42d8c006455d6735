"""The list of schedules and the page of one: looked at, paused, resumed, run and forgotten, by the use cases of REST."""

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.admin import cells
from console.admin.filters import SearchedFilter
from jobs.models import JobSchedule
from jobs.schedules import schedules
from jobs.schedules.submit_due import submit_now
from quotas.clock import database_now
from scheduling.errors import TrainyardError

UPCOMING = 3


def of_each(
    model_admin: Any,
    request: HttpRequest,
    chosen: QuerySet[JobSchedule],
    do: Callable[[JobSchedule], object],
    done: str,
) -> None:
    """`do` it to each, and say of how many that came true, and why not of the others."""
    number = 0
    for schedule in chosen.select_related("owner", "project"):
        try:
            do(schedule)
            number += 1
        except TrainyardError as error:
            model_admin.message_user(request, f"{schedule}: {error}", "ERROR")
    model_admin.message_user(request, f"{number} {done}.")


@admin.action(description="Pause: submit nothing until it is resumed", permissions=["change"])
def pause(model_admin: Any, request: HttpRequest, chosen: QuerySet[JobSchedule]) -> None:
    user: Any = request.user
    of_each(model_admin, request, chosen, lambda one: schedules.change(user, one.pk, {"paused": True}), "paused")


@admin.action(description="Resume with the next moment", permissions=["change"])
def resume(model_admin: Any, request: HttpRequest, chosen: QuerySet[JobSchedule]) -> None:
    user: Any = request.user
    of_each(model_admin, request, chosen, lambda one: schedules.change(user, one.pk, {"paused": False}), "resumed")


@admin.action(description="Submit a job of it now (your own schedules)", permissions=["change"])
def run(model_admin: Any, request: HttpRequest, chosen: QuerySet[JobSchedule]) -> None:
    user: Any = request.user
    of_each(model_admin, request, chosen, lambda one: submit_now(schedules.to_run(user, one.pk)), "submitted")


@admin.register(JobSchedule)
class JobScheduleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """Made with `trainyard schedules create`, as it runs in the name of whoever made it."""

    list_display = ["name", "state_badge", "project", "owner", "when", "next_at", "last_link", "outcome"]
    list_select_related = ["project", "owner"]
    list_filter = ["paused", ("project", SearchedFilter), ("owner", SearchedFilter)]
    search_fields = ["name", "project__slug", "owner__username"]
    list_per_page = 50
    show_full_result_count = False
    actions = [pause, resume, run]
    fields = (
        ("project", "owner"),
        "when",
        "upcoming",
        ("overlap", "missed", "ends_at"),
        "state_badge",
        "last_link",
        "outcome",
        "job_shown",
    )
    readonly_fields = ("project", "owner", "when", "upcoming", "overlap", "missed", "ends_at", "state_badge", "last_link", "outcome", "job_shown")  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="state")
    def state_badge(self, schedule: JobSchedule) -> SafeString:
        return cells.badge("paused" if schedule.paused else "open" if schedule.next_at else "over")

    @admin.display(description="when")
    def when(self, schedule: JobSchedule) -> str:
        return f"{schedule.cron} in {schedule.time_zone}"

    @admin.display(description="next moments")
    def upcoming(self, schedule: JobSchedule) -> str:
        found = schedules.upcoming(schedule, UPCOMING, database_now())
        return ", ".join(f"{moment:%Y-%m-%d %H:%M} UTC" for moment in found) or cells.EMPTY

    @admin.display(description="last job", ordering="last_job")
    def last_link(self, schedule: JobSchedule) -> SafeString | str:
        return cells.link("jobs_job_change", schedule.last_job, schedule.last_job) if schedule.last_job else cells.EMPTY

    @admin.display(description="what it submits")
    def job_shown(self, schedule: JobSchedule) -> SafeString:
        """Without the values of its environment: they are its owner's."""
        job = {name: sorted(value) if name == "env" else value for name, value in schedule.job.items()}
        return format_html("<pre>{}</pre>", json.dumps(job, indent=2, ensure_ascii=False))
