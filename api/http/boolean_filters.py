"""Filters by true or false that refuse everything else: what is not understood must not pass for not asked."""

from typing import Any

import django_filters as filters
from django import forms

WORDS = {"true": True, "1": True, "false": False, "0": False}


class StrictBooleanField(forms.NullBooleanField):
    widget = forms.TextInput

    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]  # Django's own answers None as well
        text = str(value or "").lower()
        if text and text not in WORDS:
            raise forms.ValidationError("Must be true or false.")
        return WORDS.get(text)


class StrictBooleanFilter(filters.BooleanFilter):
    field_class = StrictBooleanField
