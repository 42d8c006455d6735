"""Projects with their members and their quota."""

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from quotas.models import Membership, Project, Quota


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


class QuotaInline(admin.StackedInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Quota
    extra = 0
    fields = [("gpus", "cpus", "memory_mb"), ("running_jobs", "waiting_jobs"), "enforced"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["slug", "name", "parent", "member_count", "archived"]
    list_select_related = ["parent", "quota"]
    list_filter = ["archived"]
    search_fields = ["slug", "name"]
    autocomplete_fields = ["parent"]
    inlines = [QuotaInline, MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).annotate(member_total=Count("memberships"))

    @admin.display(description="members", ordering="member_total")
    def member_count(self, project: Project) -> int:
        return getattr(project, "member_total", 0)
