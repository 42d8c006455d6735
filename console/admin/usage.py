"""What was used, as tables and charts: the same report as REST's, asked for by a form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from rest_framework.serializers import ValidationError

from api.v1.shapes.fairness import FairnessQuery
from api.v1.shapes.usage import UsageQuery
from api.v1.usage.fairness import found_for
from api.v1.usage.report import Wanted
from console.admin.charts import HEIGHT, WIDTH
from console.admin.keeping import HistoryAdmin
from jobs.models import UsageHour
from jobs.usage.report import GROUPS
from scheduling.errors import TrainyardError
from scheduling.sharing.periods import Period
from scheduling.sharing.usage_periods import title

CHARTS = 12
GAP = 0.15
"""Between two bars, as a part of one."""
FAIRNESS = "fairness"
FAIRNESS_ASKS = ("group_by", "since", "until", "time_zone", "project", "user")
QUESTIONS = ("show", "group_by", "period", "since", "until", "time_zone", "project", "user", "queue", "node", "label")
DEFAULTS = {"show": "usage", "group_by": "project", "period": "day"}


@dataclass(frozen=True, slots=True)
class BarChart:
    """GPU-hours of one group, a bar for each period, in a box of 240 by 80; for who does not see it, a sentence."""

    name: str
    total: float
    greatest: float
    path: str
    sentence: str
    begins: str
    ends: str


@admin.register(UsageHour)
class UsageAdmin(HistoryAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """In place of a list of rows, of which there are many thousands that say little each."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = {name: value for name in QUESTIONS if (value := request.GET.get(name, DEFAULTS.get(name, "")).strip())}
        context = {
            **self.admin_site.each_context(request),
            "title": "Usage",
            "opts": self.model._meta,  # noqa: SLF001  Django's own way
            "shows": ("usage", FAIRNESS),
            "groups": GROUPS,
            "periods": [one.value for one in Period],
            "asked": asked,
            "currency": settings.CURRENCY,
            **_answer(cast("User", request.user), asked),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "console/usage.html", context)


def _answer(user: User, asked: dict[str, str]) -> dict[str, Any]:
    """The report that is asked for, or what is wrong with the question."""
    try:
        return _fairness(user, asked) if asked["show"] == FAIRNESS else _usage(user, asked)
    except ValidationError as refusal:
        faults = cast("dict[str, Any]", refusal.detail)
        return {"faults": [f"{name}: {' '.join(map(str, words))}" for name, words in faults.items()]}
    except TrainyardError as refusal:
        return {"faults": [str(refusal)]}


def _usage(user: User, asked: dict[str, str]) -> dict[str, Any]:
    wanted = Wanted(user, UsageQuery.read({name: value for name, value in asked.items() if name != "show"}))
    names = [title(asked["period"], wanted.zone, span.start) for span in wanted.spans()]
    found = wanted.report()
    rows = [wanted.row(one) for one in found.rows]
    return {
        "rows": rows,
        "charts": draw(rows, names),
        "left_off": found.left_off,
        "rolled_up_until": found.rolled_up_until,
    }


def _fairness(user: User, asked: dict[str, str]) -> dict[str, Any]:
    return found_for(user, FairnessQuery.read({name: value for name, value in asked.items() if name in FAIRNESS_ASKS}))


def draw(rows: Sequence[dict[str, Any]], periods: Sequence[str]) -> list[BarChart]:
    """Of the groups that used most, all to one scale: they are to be compared."""
    by_key: dict[str, dict[str, float]] = {}
    for row in rows:
        by_key.setdefault(row["key"], {})[row["period"]] = row["gpu_hours"]
    greatest = max((hours for of in by_key.values() for hours in of.values()), default=0.0)
    first = sorted(by_key, key=lambda key: (-sum(by_key[key].values()), key))[:CHARTS]
    return [_chart(key, [by_key[key].get(name, 0.0) for name in periods], greatest, periods) for key in first]


def _chart(key: str, hours: Sequence[float], greatest: float, periods: Sequence[str]) -> BarChart:
    most = max(hours)
    sentence = f"{key or '(none)'}: {sum(hours):,.2f} GPU-hours from {periods[0]} to {periods[-1]}, at most {most:,.2f}"
    return BarChart(key or "(none)", sum(hours), most, bars(hours, greatest), sentence, periods[0], periods[-1])


def bars(values: Sequence[float], greatest: float) -> str:
    """A path of filled bars, side by side; none for nothing."""
    step = WIDTH / len(values)
    drawn = [
        f"M{round((place + GAP / 2) * step, 2):g} {HEIGHT}V{round(HEIGHT * (1 - value / greatest), 2):g}"
        f"h{round((1 - GAP) * step, 2):g}V{HEIGHT}z"
        for place, value in enumerate(values)
        if value > 0
    ]
    return "".join(drawn)
