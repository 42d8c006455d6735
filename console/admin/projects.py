"""The tree of projects, with their members and what each holds of its quota."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.admin import cells
from console.admin.keeping import DeletedWhenUnused
from console.admin.project_form import ProjectForm, slug_of
from jobs.reports import quota_usage
from quotas import projects
from quotas.models import Membership, Project, Quota
from scheduling.snapshot import chain_of

ALL_ON_ONE_PAGE = 1000
DEEPEST_INDENT = 6
UNITS = {"gpus": "GPUs", "cpus": "CPUs", "memory_mb": "memory"}


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


class QuotaInline(admin.StackedInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Quota
    extra = 0
    readonly_fields = ["usage"]
    fields = [
        "usage",
        ("gpus", "cpus", "memory_mb"),
        ("borrowing_gpus", "borrowing_cpus", "borrowing_memory_mb"),
        ("lending_gpus", "lending_cpus", "lending_memory_mb"),
        ("running_jobs", "waiting_jobs"),
        ("user_gpus", "user_cpus", "user_memory_mb"),
        ("user_running_jobs", "user_waiting_jobs"),
        ("max_nodes", "gpu_models"),
        "enforced",
    ]

    @admin.display(description="held now, with all below it")
    def usage(self, quota: Quota) -> SafeString | str:
        if not quota.pk:
            return cells.EMPTY
        waiting = quota_usage.asked_for(quota.project)
        return usage_bars(quota_usage.account_of(quota.project), waiting)


@admin.register(Project)
class ProjectAdmin(DeletedWhenUnused, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["indented", "name", "gpus", "cpus", "running", "waiting", "weight", "member_count", "archived"]
    list_per_page = ALL_ON_ONE_PAGE
    list_select_related = ["parent", "quota"]
    list_filter = ["archived"]
    search_fields = ["slug", "name"]
    autocomplete_fields = ["parent"]
    inlines = [QuotaInline, MembershipInline]
    form = ProjectForm
    used_by = ("jobs", "children")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).annotate(member_total=Count("memberships"))

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

    @admin.display(description="members", ordering="member_total")
    def member_count(self, project: Project) -> int:
        return getattr(project, "member_total", 0)

    def get_fields(self, request: HttpRequest, obj: Project | None = None) -> Any:
        return ["slug", "name", "parent", "weight", *(["archived"] if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> list[str]:
        return ["slug"] if obj else []  # commands and dashboards out there know it by this name

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the use cases: they keep the tree a tree, also when two people move its branches at once."""
        actor = cast("User", request.user)
        if change:
            projects.change(project=Project.objects.get(pk=obj.pk), actor=actor, **form.changes())
        else:
            made = projects.create(
                actor=actor, slug=obj.slug, name=obj.name, parent=slug_of(obj.parent), weight=obj.weight
            )
            obj.pk, obj.created_at = made.pk, made.created_at


def limited(project: Any, name: str) -> SafeString | str:
    """What the project holds, as a bar where it has a limit."""
    return usage_cell(name, project.usage[name], getattr(getattr(project, "quota", None), name, None))


def usage_bars(account: quota_usage.Account, waiting: dict[str, int]) -> SafeString:
    """A bar for each limit, and below it what of it is borrowed, lent to others, and asked for by those that wait."""
    facts = (
        (UNITS.get(name, name.replace("_", " ")), usage_cell(name, account.usage[name], account.limits[name]), words)
        for name in Quota.LIMITS
        for words in [loan_words(name, account, waiting)]
    )
    return format_html(
        '<dl class="ty-facts">{}</dl>',
        format_html_join("", "<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>", facts),
    )


def loan_words(name: str, account: quota_usage.Account, waiting: dict[str, int]) -> str:
    """For example " 4 borrowed of at most 6, 2 lent, 12 asked for by those that wait"."""
    figure = cells.gigabytes if name == "memory_mb" else str
    may = account.borrowing.get(name)
    parts = []
    if account.borrowed.get(name) or may:
        parts.append(f"{figure(account.borrowed.get(name, 0))} borrowed of at most {figure(may or 0)}")
    if account.lent.get(name):
        parts.append(f"{figure(account.lent[name])} lent")
    if waiting.get(name):
        parts.append(f"{figure(waiting[name])} asked for by those that wait")
    return f" {', '.join(parts)}" if parts else ""


def usage_cell(name: str, amount: int, limit: int | None) -> SafeString | str:
    figure = cells.gigabytes if name == "memory_mb" else str
    return figure(amount) if limit is None else cells.bar(amount, limit, f"{figure(amount)} of {figure(limit)}")
