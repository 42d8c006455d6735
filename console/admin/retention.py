"""For how long jobs are kept: the rules of projects. Where there is none, the project above has one, or the platform."""

from typing import cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.forms import ModelForm
from django.http import HttpRequest

from jobs.control.job_retention import set_rule
from jobs.models import JobRetention


@admin.register(JobRetention)
class JobRetentionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["project", "days", "changed_by", "changed_at"]
    list_select_related = ["project"]
    search_fields = ["project__slug"]
    autocomplete_fields = ["project"]

    def get_readonly_fields(self, request: HttpRequest, obj: JobRetention | None = None) -> list[str]:
        return ["project"] if obj else []

    def save_model(
        self, request: HttpRequest, obj: JobRetention, form: "ModelForm[JobRetention]", change: bool
    ) -> None:
        set_rule(obj.project, obj.days, cast("User", request.user))
