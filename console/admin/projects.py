"""The tree of projects with what each holds of its quota: quotas knows the limits, jobs adds the usage."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.admin import cells
from console.admin.keeping import DeletedWhenUnused
from console.admin.project_pages import MembershipInline, QuotaInline
from console.admin.project_pages import ProjectAdmin as PlainProjectAdmin
from jobs.reports import quota_usage
from quotas.models import Project, Quota
from scheduling.snapshot import chain_of

ALL_ON_ONE_PAGE = 1000
DEEPEST_INDENT = 6
UNITS = {"gpus": "GPUs", "cpus": "CPUs", "memory_mb": "memory"}


class UsageInline(QuotaInline):
    readonly_fields = ["usage"]
    fields = ["usage", *QuotaInline.fields]

    @admin.display(description="held now, with all below it")
    def usage(self, quota: Quota) -> SafeString | str:
        return usage_bars(quota, quota_usage.account_of(quota.project).usage) if quota.pk else cells.EMPTY


class ProjectAdmin(DeletedWhenUnused, PlainProjectAdmin):
    list_display = ["indented", "name", "gpus", "cpus", "running", "waiting", "weight", "member_count", "archived"]
    list_per_page = ALL_ON_ONE_PAGE
    inlines = [UsageInline, MembershipInline]
    used_by = ("jobs", "children")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list as a tree, unless the operator sorts by a column; each project with its place and its usage."""
        changelist = super().get_changelist_instance(request)
        tree = quota_usage.tree_of_projects()
        usage = quota_usage.usage_in(tree)
        for project in changelist.result_list:
            project.path = [view.slug for view in chain_of(project.slug, tree)][::-1]
            project.usage = usage[project.slug]
        if "o" not in request.GET:
            changelist.result_list = sorted(changelist.result_list, key=lambda project: project.path)
        return changelist

    @admin.display(description="project", ordering="slug")
    def indented(self, project: Any) -> SafeString:
        return format_html(
            '<span class="ty-depth-{}">{}</span>', min(len(project.path) - 1, DEEPEST_INDENT), project.slug
        )

    @admin.display(description="GPUs held")
    def gpus(self, project: Any) -> SafeString | str:
        return limited(project, "gpus")

    @admin.display(description="CPUs held")
    def cpus(self, project: Any) -> SafeString | str:
        return limited(project, "cpus")

    @admin.display(description="running")
    def running(self, project: Any) -> SafeString | str:
        return limited(project, "running_jobs")

    @admin.display(description="waiting")
    def waiting(self, project: Any) -> SafeString | str:
        return limited(project, "waiting_jobs")


def limited(project: Any, name: str) -> SafeString | str:
    """What the project holds, as a bar where it has a limit."""
    return held(name, project.usage[name], getattr(getattr(project, "quota", None), name, None))


def usage_bars(quota: Quota, usage: dict[str, int]) -> SafeString:
    facts = (
        (UNITS.get(name, name.replace("_", " ")), held(name, usage[name], getattr(quota, name)))
        for name in Quota.LIMITS
    )
    return format_html('<dl class="ty-facts">{}</dl>', format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", facts))


def held(name: str, amount: int, limit: int | None) -> SafeString | str:
    figure = cells.gigabytes if name == "memory_mb" else str
    return figure(amount) if limit is None else cells.bar(amount, limit, f"{figure(amount)} of {figure(limit)}")


admin.site.unregister(Project)
admin.site.register(Project, ProjectAdmin)
