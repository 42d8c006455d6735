"""What was used, by project, user, queue, hardware, label or node, and by the hour, day, week or month of some place.

Whole hours come from the record; what is not on record yet, and hours that a border cuts, from what happened in them.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max

from jobs.models import UsageHour
from jobs.usage.derived import MEASURES
from jobs.usage.reading import moment_of, used_in
from jobs.usage.rollup import rolled_up_until
from quotas.models import Project
from quotas.tree import lines_up
from scheduling.sharing import usage_periods
from scheduling.sharing.periods import Span

SECONDS_AN_HOUR = 3_600
JOULES_A_KWH = 3_600_000
LABEL = "label:"
GROUPS = ("project", "user", "queue", "hardware", "node")
"""By what usage is summed up, beside the values of a label."""
_COLUMNS = {"user": "user_name", "queue": "queue", "hardware": "hardware", "node": "node"}
_KEYS = {
    "": "''",
    # A project's usage is its own and that of all below it: one row counts for each project above.
    "project": "coalesce(tree.above, used.project)::text",
    "label": "coalesce(labels ->> %(label)s, '')",
    **_COLUMNS,
}
_TREE = "LEFT JOIN unnest(%(above)s::bigint[], %(below)s::bigint[]) AS tree (above, below) ON tree.below = used.project"
_CONDITIONS = {
    "projects": "project = ANY(%(projects)s)",
    "labels": "labels @> %(labels)s::jsonb",
    **{name: f"{column} = %({name})s" for name, column in _COLUMNS.items()},
}
_SUMS = ", ".join(f"sum({name})" for name in MEASURES)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage: in these projects (None: in all that there ever were), narrowed down by what is not None."""

    projects: Collection[int] | None = None
    user: str | None = None
    queue: str | None = None
    hardware: str | None = None
    node: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def conditions(self) -> dict[str, Any]:
        known = {name: getattr(self, name) for name in _COLUMNS}
        known["projects"] = None if self.projects is None else list(self.projects)
        known["labels"] = json.dumps(dict(self.labels)) if self.labels else None
        return {name: value for name, value in known.items() if value is not None}


class Waits(NamedTuple):
    """Of attempts that began: how many, and what half of them, and 95 of 100, waited at most, in seconds."""

    starts: int = 0
    median: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one group used in one period; `amounts` by the names of `MEASURES`, in seconds but for the cost and joules."""

    key: str
    start: datetime
    amounts: Mapping[str, Decimal]
    waits: Waits

    def hours(self, name: str) -> float:
        return round(float(self.amounts[f"{name}_seconds"]) / SECONDS_AN_HOUR, 6)

    @property
    def utilisation(self) -> dict[str, float | None]:
        """Of the GPUs and the CPUs that attempts held which ended: how much they worked. None: nobody measured."""
        return {
            kind: self._part(f"{did}_{kind}", f"measured_{kind}") for kind, did in (("gpu", "busy"), ("cpu", "used"))
        }

    @property
    def idle_gpu_hours(self) -> float | None:
        """Held, measured, and without work."""
        if not self.amounts["measured_gpu_seconds"]:
            return None
        return round(self.hours("measured_gpu") - self.hours("busy_gpu"), 6)

    @property
    def idle_held_gpu_hours(self) -> float | None:
        """Held and measured, each GPU by itself without work for the whole of it."""
        return self.hours("idle_held_gpu") if self.amounts["measured_gpu_seconds"] else None

    @property
    def energy(self) -> dict[str, float | None]:
        """In kWh, of the GPUs and the CPUs of attempts that ended. None: nobody measured, as what is measured is never 0."""
        return {kind: self._kilowatt_hours(f"{kind}_joules") for kind in ("gpu", "cpu")}

    def _kilowatt_hours(self, name: str) -> float | None:
        return round(float(self.amounts[name]) / JOULES_A_KWH, 6) if self.amounts[name] else None

    def _part(self, name: str, of: str) -> float | None:
        whole = self.amounts[f"{of}_seconds"]
        return round(float(self.amounts[f"{name}_seconds"] / whole), 4) if whole else None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Rows by period and then by who used most, how many more there are, and all of them together."""

    rows: list[Usage]
    left_off: int
    total: Usage
    rolled_up_until: datetime | None


def report(scope: Scope, spans: Sequence[Span], *, group_by: str, limit: int) -> UsageReport:
    """Over these periods, which follow each other without a gap. `group_by`: one of `GROUPS`, or `label:` and a name."""
    known = rolled_up_until()
    found = _Reading(scope, spans, known)
    rows = found.rows(group_by)
    names = _project_names(row.key for row in rows[:limit]) if group_by == "project" else {}
    shown = [Usage(names.get(row.key, row.key), row.start, row.amounts, row.waits) for row in rows[:limit]]
    whole = _Reading(scope, [Span(spans[0].start, spans[-1].end)], known).rows("")
    return UsageReport(shown, max(0, len(rows) - limit), whole[0] if whole else _nothing(spans[0]), known)


def periods(period: str | None, zone: tzinfo, since: datetime, until: datetime) -> list[Span]:
    """Without a period, all of it is one. Raises usage_periods.TooManyPeriodsError."""
    if period is None:
        return [Span(since.timestamp(), until.timestamp())]
    return usage_periods.periods(period, zone, since, until)


class _Reading:
    """Statements over the same spans and scope."""

    def __init__(self, scope: Scope, spans: Sequence[Span], known: datetime | None) -> None:
        conditions = scope.conditions()
        self._where = " AND ".join(["node <> ''", *(_CONDITIONS[name] for name in conditions)])
        self._starts = [moment_of(one.start) for one in spans]
        used = used_in(spans, known)
        self._used = used.statement
        self._arguments: dict[str, Any] = {**used.arguments, **conditions, "starts": self._starts}

    def rows(self, group_by: str) -> list[Usage]:
        """By period, and in each by who held most."""
        waits = {(number, key): Waits(*of) for number, key, *of in self._read(_waits, group_by)}
        sums = [(number, key, dict(zip(MEASURES, of, strict=True))) for number, key, *of in self._read(_sums, group_by)]
        rows = [(number, Usage(key, self._starts[number - 1], amounts, waits.get((number, key), Waits())))
                for number, key, amounts in sums]  # fmt: skip
        rows.sort(key=lambda row: (row[0], -row[1].amounts["gpu_seconds"], -row[1].amounts["cpu_seconds"], row[1].key))
        return [row for _, row in rows]

    def _read(self, statement: Any, group_by: str) -> list[Any]:
        kind = "label" if group_by.startswith(LABEL) else group_by
        more: dict[str, Any] = {"label": group_by.removeprefix(LABEL)}
        if kind == "project":
            more["above"], more["below"] = _pairs(self._arguments.get("projects"))
        with connection.cursor() as cursor:
            cursor.execute(statement(kind, self._used, self._where), self._arguments | more)
            return cursor.fetchall()


def _sums(kind: str, used: str, where: str) -> str:
    return f"""
        SELECT width_bucket(used.hour, %(starts)s::timestamptz[]), {_KEYS[kind]}, {_SUMS}
        FROM ({used}) AS used {_TREE if kind == "project" else ""} WHERE {where} GROUP BY 1, 2
    """  # noqa: S608  made of constants


def _waits(kind: str, used: str, where: str) -> str:
    return f"""
        SELECT width_bucket(used.hour, %(starts)s::timestamptz[]), {_KEYS[kind]}, count(*),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY wait), percentile_cont(0.95) WITHIN GROUP (ORDER BY wait)
        FROM ({used}) AS used {_TREE if kind == "project" else ""}, unnest(used.waits) AS wait WHERE {where} GROUP BY 1, 2
    """  # noqa: S608  likewise


def _pairs(seen: Collection[int] | None) -> tuple[list[int], list[int]]:
    """Each project with itself and with each one above it that may be seen."""
    pairs = [(above, below) for below, line in lines_up().items() for above in line if seen is None or above in seen]
    return [above for above, _ in pairs], [below for _, below in pairs]


def _project_names(keys: Iterable[str]) -> dict[str, str]:
    """As they are called now, or were last."""
    wanted = {int(key) for key in keys}
    known = dict(Project.objects.filter(pk__in=wanted).values_list("pk", "slug"))
    gone = UsageHour.objects.filter(project__in=wanted - set(known)).order_by().values_list("project")
    return {str(pk): slug for pk, slug in {**dict(gone.annotate(Max("project_slug"))), **known}.items()}


def _nothing(span: Span) -> Usage:
    return Usage("", moment_of(span.start), dict.fromkeys(MEASURES, Decimal(0)), Waits())
