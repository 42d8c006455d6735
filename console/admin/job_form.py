"""The form for what may change in a job, under the same rules as a change over REST."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.forms import ModelForm, Textarea

from api.v1.shapes.changes import JobChange
from api.v1.shapes.jobs import unfolded
from jobs.models import Job, Queue


class JobForm(ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    """Fields that may not change any more are not in it."""

    class Meta:
        model = Job
        fields = ("name", "labels")
        widgets = {"labels": Textarea(attrs={"rows": 2})}

    changes: Mapping[str, Any] = {}
    """What a valid form says is to be different, as a request would."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "queue" in self.fields:
            self.fields["queue"].widget = self.fields["queue"].widget.widget  # without its links to add and delete

    def clean_labels(self) -> Any:
        return {} if self.cleaned_data["labels"] is None else self.cleaned_data["labels"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wanted = JobChange(
            data={name: plain(cleaned[name]) for name in self.changed_data if name in cleaned}, partial=True
        )
        if wanted.is_valid():
            self.changes = unfolded(wanted.validated_data)
        for name, faults in wanted.errors.items():
            self.add_error(name, [str(fault) for fault in faults])
        return cleaned


def plain(value: Any) -> Any:
    """A form's value as it would stand in a request's body."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.name if isinstance(value, Queue) else value
