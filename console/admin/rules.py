"""Rules of projects and queues: for how long jobs are kept, and what becomes of those whose GPUs idle."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.forms import FloatField, ModelForm
from django.http import HttpRequest

from api.v1.shapes.quotas import MOST_GB
from jobs.control import idle_gpu_rules
from jobs.control.job_retention import set_rule
from jobs.models import IdleGpuRule, JobRetention, OutputLimit
from jobs.models.idle_gpus import TERMS
from jobs.outputs import project_limits
from scheduling.errors import InvalidError
from scheduling.memory_units import gigabytes, megabytes


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


class OutputLimitForm(ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    """In GB, and what is not allowed said at its field."""

    output_gb = FloatField(
        min_value=0, max_value=MOST_GB, label="GB", help_text="Here and below, of all jobs together."
    )

    class Meta:
        model = OutputLimit
        fields = ("project",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["output_gb"] = gigabytes(self.instance.most_mb)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        project = cleaned.get("project") or (self.instance.project if self.instance.pk else None)
        if project is not None and "output_gb" in cleaned:
            try:
                project_limits.refuse_more(project, megabytes(cleaned["output_gb"]))
            except InvalidError as refused:
                self.add_error("output_gb", refused.errors[0].message)
        return cleaned


@admin.register(OutputLimit)
class OutputLimitAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ["project", "most", "kept", "changed_by", "changed_at"]
    list_select_related = ["project"]
    search_fields = ["project__slug"]
    autocomplete_fields = ["project"]
    form = OutputLimitForm

    def get_readonly_fields(self, request: HttpRequest, obj: OutputLimit | None = None) -> list[str]:
        return ["project"] if obj else []

    @admin.display(description="at most", ordering="most_mb")
    def most(self, limit: OutputLimit) -> str:
        return project_limits.in_words(limit.most_mb * project_limits.MIB)

    @admin.display(description="how it stands")
    def kept(self, limit: OutputLimit) -> str:
        return project_limits.standing_of(limit.pk).sentence

    def save_model(self, request: HttpRequest, obj: OutputLimit, form: Any, change: bool) -> None:
        most_mb = megabytes(form.cleaned_data["output_gb"])
        project_limits.set_limit(obj.project, most_mb, cast("User", request.user))
        obj.pk = obj.project.pk


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
