"""The form for what may change in a job. Fields that may not change any more are not in it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import ModelForm, Textarea

from jobs.models import Job


class JobForm(ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    class Meta:
        model = Job
        fields = ("name", "labels")
        widgets = {"labels": Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "queue" in self.fields:
            self.fields["queue"].widget = self.fields["queue"].widget.widget  # without its links to add and delete

    def clean_labels(self) -> dict[str, str]:
        labels = self.cleaned_data["labels"] or {}
        if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
            raise ValidationError('Write the labels as an object of texts, say {"team": "vision"}.')
        return labels
