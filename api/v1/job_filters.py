"""What a list of jobs can be narrowed down to."""

import re
from typing import Any

import django_filters as filters
from django import forms
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field

from api.http.boolean_filters import StrictBooleanFilter
from jobs.models import Job
from scheduling.lifecycle import JobState
from scheduling.priorities import HIGHEST, LOWEST


class ManyWidget(forms.SelectMultiple):
    """`?state=a&state=b` and `?state=a,b` mean the same."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return [word for value in data.getlist(name) for word in value.split(",")]


class LabelsWidget(forms.TextInput):
    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return data.getlist(name)


class LabelsField(forms.Field):
    widget = LabelsWidget

    def clean(self, value: list[str]) -> list[tuple[str, str]]:
        pairs = [text.partition("=") for text in value]
        if any(not key or "\0" in key + label for key, _, label in pairs):
            raise forms.ValidationError("Must be NAME=VALUE, or NAME for any value.")
        return [(key, label if given else "") for key, given, label in pairs]


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class LabelFilter(filters.Filter):
    field_class = LabelsField

    def filter(self, qs: QuerySet[Job], value: list[tuple[str, str]]) -> QuerySet[Job]:
        for key, label in value or []:
            qs = qs.filter(labels__contains={key: label}) if label else qs.filter(labels__has_key=key)
        return qs


class NumbersFilter(filters.BaseInFilter, filters.NumberFilter):
    """Any of these numbers."""


DIGITS = 19
"""Of a number that the database takes for none."""
WILD = re.compile(r"([*?])")
WILDCARDS = {"*": ".*", "?": "."}


class JobFilter(filters.FilterSet):
    state = filters.MultipleChoiceFilter(
        choices=[(state.value, state.value) for state in JobState],
        widget=ManyWidget,
        error_messages={"invalid_choice": f"There is no state %(value)s. There are: {', '.join(JobState)}."},
        help_text="Several: repeat it, or separate them by commas.",
    )
    project = filters.CharFilter("project__slug")
    queue = filters.CharFilter("queue__name")
    owner = filters.CharFilter(method="by_owner", help_text="A user name, or `me`.")
    node = filters.CharFilter("node__name")
    name = filters.CharFilter(method="by_name", help_text="Any part of the name; with * or ? in it, the whole of it.")
    id = NumbersFilter("pk", lookup_expr="in", min_value=1, help_text="Several: separate them by commas.")
    id_max = filters.NumberFilter("pk", "lte", min_value=1, help_text="None that were submitted after this one.")
    hardware = filters.ChoiceFilter(choices=[("cpu", "cpu"), ("gpu", "gpu")], method="by_hardware")
    held = StrictBooleanFilter("held_at", lookup_expr="isnull", exclude=True)
    suspended = StrictBooleanFilter(method="by_suspended")
    priority_min = filters.NumberFilter("priority", "gte", min_value=LOWEST, max_value=HIGHEST)
    priority_max = filters.NumberFilter("priority", "lte", min_value=LOWEST, max_value=HIGHEST)
    label = LabelFilter(help_text="NAME=VALUE, or NAME for any value. Several: all of them must hold.")
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")
    submission_key = filters.CharFilter("submission_key")
    workload = filters.CharFilter(method="by_workload", help_text="Its id, or its name.")

    def by_owner(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        if value == "me":
            return jobs.filter(owner=self.request.user.pk)
        return jobs.filter(owner__username=value)

    def by_workload(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        if value.isascii() and value.isdecimal():
            return jobs.filter(workload=int(value)) if len(value) < DIGITS else jobs.none()
        return jobs.filter(workload__name=value)

    def by_name(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        if not WILD.search(value):
            return jobs.filter(name__icontains=value)
        parts = (WILDCARDS.get(part) or re.escape(part) for part in WILD.split(value))
        return jobs.filter(name__iregex=f"^{''.join(parts)}$")

    def by_suspended(self, jobs: QuerySet[Job], name: str, value: bool) -> QuerySet[Job]:
        suspended = Q(state=JobState.RUNNING, desired="", suspended_at__isnull=False)
        return jobs.filter(suspended) if value else jobs.exclude(suspended)

    def by_hardware(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        return jobs.filter(gpus__gt=0) if value == "gpu" else jobs.filter(gpus=0)
