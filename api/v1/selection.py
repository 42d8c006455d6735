"""Which jobs a request for many is about: those with these ids, or those that a list with this filter would show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from api.v1.job_filters import JobFilter
from jobs.models import Job, queries
from jobs.submission import limits
from quotas.access import Role, project_roles
from scheduling.lifecycle import JobState

SEVERAL = frozenset({"state", "label", "id"})
NOT_OVER = Q(state__in=[JobState.PENDING, JobState.QUEUED, JobState.ASSIGNED, JobState.RUNNING, JobState.PAUSED])
RESTS = Q(state=JobState.PAUSED) | Q(desired="pause") | Q(state=JobState.RUNNING, suspended_at__isnull=False)
USUAL = {
    "cancel": NOT_OVER,
    "pause": NOT_OVER & ~Q(state=JobState.PAUSED),
    "suspend": Q(state=JobState.RUNNING),
    "resume": RESTS,
    "requeue": Q(state__in=[JobState.FAILED, JobState.CANCELLED]),
    "hold": Q(state=JobState.PENDING, held_at__isnull=True),
    "release": Q(held_at__isnull=False),
    "change": Q(state__in=[JobState.PENDING, JobState.PAUSED]),
    "label": NOT_OVER,
}
"""Whom a filter without a state means: those of whom it can be asked. Nobody means to run again all that ever completed."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs that the caller may ask, and those that refuse because of who asks."""

    job_ids: Sequence[int]
    refusals: Mapping[int, str] = field(default_factory=dict)


def select(request: Request, user: User, wanted: Mapping[str, Any], usual: str) -> Selection:
    """The jobs that `wanted` means, which has either `ids`, or a `filter`, or `all`.

    Raises ValidationError for a filter that means nothing in particular, unless `all` says that this is meant.
    """
    jobs = queries.visible_jobs(user)
    if "ids" in wanted:
        found = jobs.filter(pk__in=wanted["ids"])
    else:
        found = _filtered(request, jobs, wanted.get("filter", {}))
        if "state" not in wanted.get("filter", {}):
            found = found.filter(USUAL[usual])
    rows = list(found.order_by("pk").values_list("pk", "project_id", "project__slug")[: limits.MANY + 1])
    if len(rows) > limits.MANY:
        raise ValidationError({"filter": [f"Means more than {limits.MANY} jobs: narrow it down."]}, "too_many")
    return _allowed(rows, user, wanted.get("ids", ()))


def _allowed(rows: Sequence[tuple[int, int, str]], user: User, named: Sequence[int]) -> Selection:
    """What one may not even see does not exist, as everywhere."""
    roles = project_roles(user)
    allowed = [pk for pk, project_id, _ in rows if roles[project_id] != Role.VIEWER]
    looked_at = {
        pk: f"You may look at project {slug}, but not change its jobs."
        for pk, project_id, slug in rows
        if roles[project_id] == Role.VIEWER
    }
    seen = {pk for pk, *_ in rows}
    unknown = {pk: f"There is no job {pk}." for pk in named if pk not in seen}
    return Selection(allowed, unknown | looked_at)


def _filtered(request: Request, jobs: QuerySet[Job], conditions: Mapping[str, Any]) -> QuerySet[Job]:
    found = JobFilter(_as_query(conditions), queryset=jobs, request=request)
    if not found.is_valid():
        raise ValidationError({"filter": found.errors})
    narrowed: QuerySet[Job] = found.qs
    return narrowed


def _as_query(conditions: Mapping[str, Any]) -> QueryDict:
    """The conditions as they would stand in the address of a list."""
    query = QueryDict(mutable=True)
    faults = {}
    for name, value in conditions.items():
        texts = _texts(value)
        if name not in JobFilter.base_filters:
            faults[name[:64]] = [_hint(name)]
        elif not texts or not all(texts):
            faults[name] = ["Must be a text, a number, true or false, or a list of them, and not empty."]
        elif len(texts) > 1 and name not in SEVERAL:
            faults[name] = ["Takes one value."]
        else:
            query.setlist(name, [",".join(filter(None, texts))] if name == "id" else [text for text in texts if text])
    if faults:
        raise ValidationError({"filter": faults})
    return query


def _hint(name: str) -> str:
    near = get_close_matches(name, JobFilter.base_filters, n=1)
    return f"There is no such filter. {f'Did you mean {near[0]}?' if near else f'There are: {_names()}.'}"


def _names() -> str:
    return ", ".join(JobFilter.base_filters)


def _texts(value: Any) -> list[str | None]:
    if isinstance(value, list):
        return [_text(one) for one in value]
    if isinstance(value, dict):  # labels, as they stand in a job
        return [f"{name}={label}" if isinstance(label, str) and label else None for name, label in value.items()]
    return [_text(value)]


def _text(value: Any) -> str | None:
    """None for what is no condition."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | str) else None
