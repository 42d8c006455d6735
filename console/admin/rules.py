"""Rules of projects and queues: for how long jobs are kept, and what becomes of those whose GPUs idle."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.forms import ModelForm
from django.http import HttpRequest

from jobs.control import idle_gpu_rules
from jobs.control.job_retention import set_rule
from jobs.models import IdleGpuRule, JobRetention
from jobs.models.idle_gpus import TERMS


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


@admin.register(IdleGpuRule)
class IdleGpuRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["__str__", *TERMS, "changed_by", "changed_at"]
    list_select_related = ["project", "queue"]
    search_fields = ["project__slug", "queue__name"]
    autocomplete_fields = ["project", "queue"]
    fields = ["project", "queue", *TERMS]

    def get_readonly_fields(self, request: HttpRequest, obj: IdleGpuRule | None = None) -> list[str]:
        return ["project", "queue"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[IdleGpuRule]", change: bool) -> None:
        of = obj.queue or obj.project
        idle_gpu_rules.set_rule(of, {name: getattr(obj, name) for name in TERMS}, cast("User", request.user))
        obj.pk = IdleGpuRule.objects.get(**{"queue" if obj.queue else "project": of}).pk
