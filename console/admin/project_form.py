"""The form for a project: its place in the tree, and what changes in it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import ModelForm

from quotas.models import Project


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
