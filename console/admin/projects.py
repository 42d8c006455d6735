"""The tree of projects, with their members, and bars of what each uses of its quotas and budgets."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.admin.keeping import DeletedWhenUnused
from console.admin.project_bars import pages
from console.admin.project_form import ProjectForm, QuotaForm, slug_of
from jobs.control import project_removal
from quotas import projects
from quotas.models import Membership, Project, Quota

ALL_ON_ONE_PAGE = 1000
DEEPEST_INDENT = 6


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


class QuotaInline(admin.StackedInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Quota
    form = QuotaForm
    extra = 0
    fields = [
        ("gpus", "cpus", "memory_mb"),
        ("borrowing_gpus", "borrowing_cpus", "borrowing_memory_mb"),
        ("lending_gpus", "lending_cpus", "lending_memory_mb"),
        ("running_jobs", "waiting_jobs"),
        ("user_gpus", "user_cpus", "user_memory_mb"),
        ("user_running_jobs", "user_waiting_jobs"),
        ("gpu_hours_ahead", "user_gpu_hours_ahead"),
        ("max_nodes", "gpu_models"),
        "enforced",
    ]


@admin.register(Project)
class ProjectAdmin(DeletedWhenUnused, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = [
        "indented", "short_name", "gpus", "cpus", "memory", "running", "waiting", "budgets", "weight", "member_count",
        "archived",
    ]  # fmt: skip
    list_per_page = ALL_ON_ONE_PAGE
    list_select_related = ["parent", "quota"]
    list_filter = ["archived"]
    search_fields = ["slug", "name"]
    autocomplete_fields = ["parent"]
    inlines = [QuotaInline, MembershipInline]
    form = ProjectForm
    change_form_template = "console/project.html"
    change_list_template = "console/project_list.html"
    used_by = ("jobs", "children")

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        project_removal.remove(project=obj, actor=cast("User", request.user))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).annotate(member_total=Count("memberships"))

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list as a tree, unless the operator sorts by a column; each project with its place, its bars and its budgets."""
        changelist = super().get_changelist_instance(request)
        pages.add_bars(changelist.result_list, budgets=pages.may_see_budgets(request.user))
        if "o" not in request.GET:
            changelist.result_list = sorted(changelist.result_list, key=lambda project: project.path)
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, pages.legends(request.user) | (extra_context or {}))

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = pages.may_see_budgets(request.user)
        return [name for name in super().get_list_display(request) if shown or name != "budgets"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With its bars, and with why it cannot be deleted, where others have the button for that."""
        project = self.get_object(request, object_id)
        if request.method == "GET" and project is not None and (why := project_removal.kept_by(project)):
            messages.info(request, f"This project cannot be deleted: {why}")
        more = pages.page_context(project, request.user) if project else {}
        return super().change_view(request, object_id, form_url, more | (extra_context or {}))

    @admin.display(description="project", ordering="slug")
    def indented(self, project: Any) -> SafeString:
        return format_html(
            '<span class="ty-depth-{}">{}</span>', min(len(project.path) - 1, DEEPEST_INDENT), project.slug
        )

    @admin.display(description="name", ordering="name")
    def short_name(self, project: Project) -> SafeString:
        return format_html('<span class="ty-name" title="{0}">{0}</span>', project.name)

    @admin.display(description="GPUs")
    def gpus(self, project: Any) -> SafeString | str:
        return pages.cell(project, "gpus")

    @admin.display(description="CPUs")
    def cpus(self, project: Any) -> SafeString | str:
        return pages.cell(project, "cpus")

    @admin.display(description="memory")
    def memory(self, project: Any) -> SafeString | str:
        return pages.cell(project, "memory_mb")

    @admin.display(description="running")
    def running(self, project: Any) -> SafeString | str:
        return pages.cell(project, "running_jobs")

    @admin.display(description="waiting")
    def waiting(self, project: Any) -> SafeString | str:
        return pages.cell(project, "waiting_jobs")

    @admin.display(description="budgets")
    def budgets(self, project: Any) -> SafeString | str:
        return pages.budget_cells(project)

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
