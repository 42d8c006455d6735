"""What was paid: sums over the ledger by project, user, batch, job, node or time, for those who may see them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, F, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, TruncDay, TruncMonth

from quotas.access import project_roles
from quotas.costs.job_months import JobMonths, job_months
from quotas.costs.ledger import Kind
from quotas.costs.rows import LedgerTransaction
from quotas.models import Project
from quotas.tree import lines_up

NOTHING = Value(Decimal(0))
MOST_READ = 50_000
"""So many groups are read and summed up here; of more the database says the sum, in a second look at all rows."""
READ_AT_ONCE = 5_000
MONTH, DAY = "%Y-%m", "%Y-%m-%d"


class GroupBy(StrEnum):
    """By what costs are summed up."""

    PROJECT = "project"
    USER = "user"
    BATCH = "batch"
    JOB = "job"
    NODE = "node"
    DAY = "day"
    MONTH = "month"


COLUMNS: Mapping[GroupBy, Any] = {
    GroupBy.PROJECT: F("project"),
    GroupBy.USER: F("user_name"),
    GroupBy.BATCH: F("batch"),
    GroupBy.JOB: F("job"),
    GroupBy.NODE: F("node"),
    GroupBy.DAY: TruncDay("at", tzinfo=UTC),
    GroupBy.MONTH: TruncMonth("at", tzinfo=UTC),
}

SUMS = {
    "settled": Coalesce(Sum("cost", filter=Q(kind=Kind.SETTLE)), NOTHING),
    "refunded": Coalesce(-Sum("cost", filter=Q(kind=Kind.REFUND)), NOTHING),
    "paid": Coalesce(Sum("cost"), NOTHING),
    "placements": Count("kind", filter=Q(kind=Kind.SETTLE)),  # no column that the index has not
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which placements: in these projects (None: in all that there ever were), of this user, batch and job."""

    projects: Collection[int] | None = None
    user: str = ""
    batch: str = ""
    job: int | None = None

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        wanted = {"user_name": self.user, "batch": self.batch, "job": self.job}
        narrowed = rows.filter(**{name: value for name, value in wanted.items() if value})
        return narrowed if self.projects is None else narrowed.filter(project__in=self.projects)


@dataclass(frozen=True, slots=True)
class Costs:
    """What was settled, what of it was given back, and what is left to pay; over how many placements that ended."""

    key: str
    settled: Decimal
    refunded: Decimal
    cost: Decimal
    placements: int


@dataclass(frozen=True, slots=True)
class Report:
    """The dearest groups, how many more there are, and all of them together."""

    groups: list[Costs]
    left_off: int
    total: Costs


def scope_of(caller: User, *, project: Project | None = None, **fields: Any) -> Scope:
    """What `caller` may see of the costs: of a project with everything below it, else of all their projects."""
    visible = None if caller.is_staff else set(project_roles(caller))
    if project is None:
        return Scope(visible, **fields)
    below = ids_below(project)
    return Scope(below if visible is None else below & visible, **fields)


def ids_below(project: Project) -> set[int]:
    """The project and everything below it, as the tree is now: who moves takes their costs along."""
    return {below for below, line in lines_up().items() if project.pk in line}


class Booked:
    """What was booked in some time for those in the scope."""

    def __init__(self, scope: Scope, since: datetime, until: datetime) -> None:
        # The condition of the index from which it is read, word for word.
        rows = LedgerTransaction.objects.exclude(kind=Kind.HOLD).filter(at__gte=since, at__lt=until)
        self._scope, self._since, self._until = scope, since, until
        self._rows: QuerySet[Any] = scope.of(rows).order_by()

    def _grouped(self, group_by: GroupBy) -> QuerySet[Any, Any]:
        return self._rows.annotate(group=COLUMNS[group_by]).values_list("group")

    def groups(self, group_by: GroupBy) -> QuerySet[Any, Any]:
        """Tuples of a group and `SUMS`, the dearest first."""
        return self._grouped(group_by).annotate(**SUMS).order_by("-paid", "group")

    def number(self, group_by: GroupBy) -> int:
        return self._grouped(group_by).distinct().count()

    @cached_property
    def _sums(self) -> tuple[Any, ...]:
        return tuple(self._rows.aggregate(**SUMS).values())

    def total(self) -> Costs:
        return Costs("", *self._sums)

    def jobs(self) -> JobMonths | None:
        """The jobs and what they cost, where that need not be summed up."""
        return job_months(self._scope.of, self._since, self._until, self._sums)


def report(scope: Scope, *, since: datetime, until: datetime, group_by: GroupBy, limit: int) -> Report:
    """Of what ended from `since` until just before `until`: costs are booked when a placement ends."""
    booked = Booked(scope, since, until)
    if group_by == GroupBy.JOB:
        return _by_job(booked, limit)
    found = list(booked.groups(group_by)[: MOST_READ + 1])
    shown = _named(group_by, found[:limit])
    if len(found) <= MOST_READ:
        return Report(shown, len(found) - len(shown), _total(found))
    # Only now, as it takes as long again: hardly anybody asks for so many groups.
    return Report(shown, booked.number(group_by) - limit, booked.total())


def _by_job(booked: Booked, limit: int) -> Report:
    """There may be a million of them: nothing is read but what is shown, and the sums."""
    total, known = booked.total(), booked.jobs()
    rows = known.rows if known else booked.groups(GroupBy.JOB)
    number = known.number if known else booked.number(GroupBy.JOB)
    shown = _named(GroupBy.JOB, rows[:limit])
    return Report(shown, number - len(shown), total)


def every_group(scope: Scope, *, since: datetime, until: datetime, group_by: GroupBy) -> Iterator[Costs]:
    """All groups of such a report, the dearest first; read while they are taken, so that any number may be."""
    booked = Booked(scope, since, until)
    known = booked.jobs() if group_by == GroupBy.JOB else None
    rows = (known.rows if known else booked.groups(group_by)).iterator(chunk_size=READ_AT_ONCE)
    while some := list(islice(rows, READ_AT_ONCE)):
        yield from _named(group_by, some)


def _total(found: Sequence[Sequence[Any]]) -> Costs:
    settled, refunded, paid = (sum((row[column] for row in found), Decimal(0)) for column in (1, 2, 3))
    return Costs("", settled, refunded, paid, sum(row[4] for row in found))


def _named(group_by: GroupBy, rows: Iterable[Sequence[Any]]) -> list[Costs]:
    found = list(rows)
    names = _names(group_by, [group for group, *_ in found])
    return [Costs(names[group], *sums) for group, *sums in found]


def _names(group_by: GroupBy, groups: Iterable[Any]) -> dict[Any, str]:
    """What each group is called: a project as it is called now, or was last."""
    if group_by in (GroupBy.DAY, GroupBy.MONTH):
        return {moment: moment.strftime(DAY if group_by == GroupBy.DAY else MONTH) for moment in groups}
    if group_by != GroupBy.PROJECT:
        return {group: str(group) for group in groups}
    known = dict(Project.objects.filter(pk__in=groups).values_list("pk", "slug"))
    gone = LedgerTransaction.objects.filter(project__in=[pk for pk in groups if pk not in known]).order_by()
    return dict(gone.values_list("project").annotate(Max("project_slug"))) | known
