"""Projects with their members and their quota."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from quotas import projects
from quotas.models import Membership, Project, Quota


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


class QuotaInline(admin.StackedInline):  # type: ignore[type-arg]  # generic for mypy alone
    model = Quota
    extra = 0
    fields = [("gpus", "cpus", "memory_mb"), ("running_jobs", "waiting_jobs"), "enforced"]


class ProjectForm(ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    def clean_parent(self) -> Project | None:
        parent: Project | None = self.cleaned_data["parent"]
        if parent is not None and self.instance.pk and self.instance.contains(parent):
            raise ValidationError(f"{parent} is this project itself or lies below it.")
        return parent

    def changes(self) -> dict[str, Any]:
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        return changed | {"parent": slug_of(changed["parent"])} if "parent" in changed else changed


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["slug", "name", "parent", "weight", "member_count", "archived"]
    list_select_related = ["parent", "quota"]
    list_filter = ["archived"]
    search_fields = ["slug", "name"]
    autocomplete_fields = ["parent"]
    inlines = [QuotaInline, MembershipInline]
    form = ProjectForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).annotate(member_total=Count("memberships"))

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


def slug_of(project: Project | None) -> str | None:
    return project.slug if project else None
