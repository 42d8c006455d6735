"""The forms for a project: its place in the tree, and what changes in it; its quota, with GPU time ahead in hours, as people say it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm

from quotas.models import Project, Quota
from scheduling import gpu_hours

HOURS = {"gpu_hours_ahead": "gpu_seconds_ahead", "user_gpu_hours_ahead": "user_gpu_seconds_ahead"}
MOST_HOURS = 10**9


class ProjectForm(ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    def clean_parent(self) -> Project | None:
        parent: Project | None = self.cleaned_data["parent"]
        if parent is not None and self.instance.pk and self.instance.contains(parent):
            raise ValidationError(f"{parent} is this project itself or lies below it.")
        return parent

    def changes(self) -> dict[str, Any]:
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        return changed | {"parent": slug_of(changed["parent"])} if "parent" in changed else changed


def slug_of(project: Project | None) -> str | None:
    return project.slug if project else None


class GpuHours(forms.DecimalField):
    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, min_value=0, max_value=MOST_HOURS, decimal_places=gpu_hours.DIGITS, **more)


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    gpu_hours_ahead = GpuHours(
        label="GPU-hours ahead", help_text="What running jobs may still use up to their limits; empty: no limit."
    )
    user_gpu_hours_ahead = GpuHours(label="GPU-hours ahead of a user")

    class Meta:
        model = Quota
        exclude = ["project", *HOURS.values()]  # noqa: DJ006 - the inline names its fields

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, column in HOURS.items():
            seconds = getattr(self.instance, column)
            self.initial[name] = None if seconds is None else Decimal(str(gpu_hours.hours(seconds)))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, column in HOURS.items():
            hours = self.cleaned_data.get(name)
            setattr(self.instance, column, None if hours is None else gpu_hours.seconds(hours))
        return cleaned
