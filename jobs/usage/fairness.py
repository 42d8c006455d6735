"""The fairness statement: what each project or user was entitled to in a week, what they received, and why it was less.

Worked out hour by hour, as demand changes: entitled are, in each hour, those who held or waited for something in it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from jobs.usage.reading import moment_of, used_in
from jobs.usage.rollup import rolled_up_until
from quotas.models import Project
from scheduling.sharing.fair_tree import Account
from scheduling.sharing.fairness import Demand, Share, jain_index, shares
from scheduling.sharing.periods import Span
from scheduling.sharing.usage_periods import by_hour
from scheduling.snapshot import ProjectView

SECONDS_AN_HOUR = 3_600
NAMED = 3
"""So many of those to whom a shortfall went are named."""
SMALL = 0.01
"""A shortfall of less, as a part of what one is entitled to, is none that anybody need explain."""
GROUPS = ("project", "user")
DEMANDS = """
    SELECT hour, project, max(project_slug), user_name, sum(charged_seconds)::float8, sum(waiting_seconds)::float8
    FROM ({used}) AS used GROUP BY hour, project, user_name ORDER BY hour, project, user_name
"""


class Owner(NamedTuple):
    """Whose demand it is: a project as it was, and a user."""

    project: int
    account: Account


@dataclass(frozen=True, slots=True)
class Statement:
    """One group in one week, in hours of one GPU as fair share counts them, with a sentence of why."""

    key: str
    wanted: float
    entitled: float
    received: float
    lent: float
    borrowed: float
    short: float
    waited: float
    why: str


@dataclass(frozen=True, slots=True)
class Week:
    """One week, or its part: how evenly everybody got what they were entitled to, and a statement for each who is shown."""

    start: datetime
    jain_index: float | None
    statements: list[Statement]


def statement(
    spans: Sequence[Span], *, group_by: str, seen: Collection[int] | None, user: str | None = None
) -> list[Week]:
    """Of these weeks, which follow each other; of the projects that are `seen` (None: of all), and of one user.

    All share, also those of whom nothing is shown: they are named to nobody.
    """
    tree = _tree()
    hours = _demands([hour for span in spans for hour in by_hour(span)])
    return [_week(span, hours, tree, _Shown(group_by, seen, user)) for span in spans]


class _Shown(NamedTuple):
    group_by: str
    seen: Collection[int] | None
    user: str | None

    def key(self, account: Account) -> str:
        return account.project if self.group_by == "project" else account.owner

    def is_shown(self, owner: Owner) -> bool:
        return (self.seen is None or owner.project in self.seen) and self.user in (None, owner.account.owner)


Hours = list[tuple[float, dict[Owner, Demand]]]


def _week(span: Span, hours: Hours, tree: Sequence[ProjectView], shown: _Shown) -> Week:
    sums: defaultdict[str, Share] = defaultdict(Share)
    lent: defaultdict[str, float] = defaultdict(float)
    went: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    borrowed, short = lent.copy(), lent.copy()
    visible = set()
    for at, demands in hours:
        if not span.start <= at < span.end:
            continue
        visible |= {shown.key(owner.account) for owner in demands if shown.is_shown(owner)}
        found = shares(tree, _by_account(demands))
        groups: defaultdict[str, Share] = defaultdict(Share)
        for account, share in found.items():
            groups[shown.key(account)] += share
        above = {key: share.above for key, share in groups.items() if share.above > 0}
        for key, share in groups.items():
            sums[key] += share
            lent[key] += share.lent
            borrowed[key] += share.borrowed
            short[key] += share.short
            for other, amount in above.items() if share.short > 0 else ():
                went[key][other] += share.short * amount / sum(above.values())
    index = jain_index(share.received / share.entitled for share in sums.values() if share.entitled > 0)
    statements = [
        _statement(key, sums[key], (lent[key], borrowed[key], short[key]), went[key], visible)
        for key in sorted(visible, key=lambda key: (-sums[key].entitled, key))
        if key in sums
    ]
    return Week(moment_of(span.start), None if index is None else round(index, 4), statements)


def _statement(
    key: str, sums: Share, amounts: tuple[float, float, float], went: dict[str, float], visible: Collection[str]
) -> Statement:
    lent, borrowed, short = amounts
    return Statement(
        key=key,
        wanted=_hours(sums.received + sums.waited),
        entitled=_hours(sums.entitled),
        received=_hours(sums.received),
        lent=_hours(lent),
        borrowed=_hours(borrowed),
        short=_hours(short),
        waited=_hours(sums.waited),
        why=_why(sums, short, went, visible),
    )


def _why(sums: Share, short: float, went: dict[str, float], visible: Collection[str]) -> str:
    if short <= SMALL * sums.entitled:
        over = sums.waited > 0
        return "It had its share; what it waited for is above that." if over else "It had all that it wanted."
    known = sorted(((amount, key) for key, amount in went.items() if key in visible), reverse=True)[:NAMED]
    others = sum(went.values()) - sum(amount for amount, _ in known)
    told = [f"{key or '(none)'} {_hours(amount):,.2f}" for amount, key in known]
    if others > SMALL * short:
        told.append(f"others {_hours(others):,.2f}")
    return f"It was {_hours(short):,.2f} short of its share, while others held more than theirs: {', '.join(told)}."


def _by_account(demands: dict[Owner, Demand]) -> dict[Account, Demand]:
    """Two projects of one name, of which one is gone, count as one."""
    found: dict[Account, Demand] = {}
    for owner, one in demands.items():
        known = found.get(owner.account, Demand())
        found[owner.account] = Demand(known.received + one.received, known.waited + one.waited)
    return found


def _demands(hours: Sequence[Span]) -> Hours:
    slugs = dict(Project.objects.values_list("pk", "slug"))
    found: dict[float, dict[Owner, Demand]] = {}
    used = used_in(hours, rolled_up_until())
    with connection.cursor() as cursor:
        cursor.execute(DEMANDS.format(used=used.statement), used.arguments)
        for hour, project, slug, user, received, waited in cursor.fetchall():
            owner = Owner(project, Account(slugs.get(project, slug), user))
            found.setdefault(hour.timestamp(), {})[owner] = Demand(received, waited)
    return list(found.items())


def _tree() -> tuple[ProjectView, ...]:
    rows: Iterable[tuple[str, str | None, float]] = Project.objects.values_list("slug", "parent__slug", "weight")
    return tuple(ProjectView(slug, parent, weight=weight) for slug, parent, weight in rows)


def _hours(seconds: float) -> float:
    return round(seconds / SECONDS_AN_HOUR, 6)
