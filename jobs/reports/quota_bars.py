"""What a project uses of each quota that limits it, as one bar and in words: its own, borrowed, lent, asked for by those that wait."""

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.reports.quota_usage import LIMITS, Standing, Waiting
from scheduling.reasons import number, quantity
from scheduling.sharing.ahead.meter import NAME as AHEAD
from scheduling.sharing.cohorts import RESOURCES, Loans
from scheduling.snapshot import Limits, ProjectView, chain_of

NO_LOANS = Loans(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaBar:
    """One resource of one project, all below it included.

    The quota is that of `quota_of`: the project itself, or the nearest above that has one; `held` is what is used of it.
    `borrowed` is held beyond the project's own quota, `over` what of it is beyond all that it may borrow, as after a limit
    was lowered; `waiting` is what its waiting jobs ask for beside what is used.
    """

    project: str
    resource: str
    used: int
    waiting: int
    quota_of: str
    nominal: int
    borrowing: int
    held: int
    enforced: bool
    borrowed: int = 0
    lent: int = 0
    lending: int | None = None  # None: all that is left

    @property
    def is_own(self) -> bool:
        return self.quota_of == self.project

    @property
    def limit(self) -> int:
        """All that may be held of the quota, with what it may borrow."""
        return self.nominal + self.borrowing

    @property
    def over(self) -> int:
        return max(0, self.held - self.limit)

    @property
    def figures(self) -> str:
        """`6 of 8`, or what is used alone where the quota is that of a project above."""
        used = number(self.resource, self.used)
        return f"{used} of {number(self.resource, self.nominal)}" if self.is_own else used

    @property
    def notes(self) -> list[str]:
        """What there is to know beside that, in short: `2 borrowed`, `12 wanted` by those that wait."""
        amounts = {
            "borrowed": self.borrowed if self.borrowing else 0,
            "over": self.over,
            "lent": self.lent,
            "wanted": self.waiting,
        }
        told = [f"{number(self.resource, amount)} {word}" for word, amount in amounts.items() if amount > 0]
        above = [] if self.is_own else [f"{self._held()} in {self.quota_of}"]
        return [*above, *told, *([] if self.enforced else ["not enforced"])]

    @property
    def sentence(self) -> str:
        """`6 of 8 GPUs used, 2 lent, 12 asked for by those that wait`: all of the bar for whoever does not see it."""
        return ", ".join([self._use(), *self._notes()])

    def _use(self) -> str:
        used = " used" if self.resource in RESOURCES else ""
        if self.is_own:
            return f"{number(self.resource, self.used)} of {quantity(self.resource, self.nominal)}{used}"
        return (
            f"{quantity(self.resource, self.used)}{used}, no quota of its own: {self._held()}{used} in {self.quota_of}"
        )

    def _held(self) -> str:
        return f"{number(self.resource, self.held)} of {number(self.resource, self.nominal)}"

    def _notes(self) -> Iterator[str]:
        if self.borrowing and self.is_own:
            borrowed, most = number(self.resource, self.borrowed), number(self.resource, self.borrowing)
            yield f"{borrowed} borrowed of at most {most}"
        if self.over:
            yield f"{number(self.resource, self.over)} over the limit{'' if self.is_own else f' of {self.quota_of}'}"
        if self.lent or self.lending is not None:
            most = "" if self.lending is None else f" of at most {number(self.resource, self.lending)}"
            yield f"{number(self.resource, self.lent)} lent{most}"
        if self.waiting and self.resource in RESOURCES:
            yield f"{number(self.resource, self.waiting)} asked for by those that wait"
        elif self.waiting:
            yield f"{self.waiting} {'waits' if self.waiting == 1 else 'wait'}"
        if not self.enforced:
            yield "not enforced"


def bars_in(standing: Standing, slug: str) -> list[QuotaBar]:
    """A bar for all that the project's quota, or one above it, limits."""
    cohorts, held = standing.cohorts, standing.held
    return _bars(standing, slug, {name: cohorts.loans(slug, name, held) for name in RESOURCES})


def all_bars(standing: Standing) -> dict[str, list[QuotaBar]]:
    """Those of every project."""
    loans = {name: standing.cohorts.loans_of_all(name, standing.held) for name in RESOURCES}
    return {slug: _bars(standing, slug, {name: loans[name][slug] for name in RESOURCES}) for slug in standing.tree}


def _bars(standing: Standing, slug: str, loans: dict[str, Loans]) -> list[QuotaBar]:
    chain = chain_of(slug, standing.tree)
    bars = (_bar(standing, slug, name, chain, loans.get(name, NO_LOANS)) for name in LIMITS)
    return [bar for bar in bars if bar is not None]


def _bar(standing: Standing, slug: str, name: str, chain: tuple[ProjectView, ...], loans: Loans) -> QuotaBar | None:
    for project in chain:
        limits = project.limits or Limits()
        nominal: int | None = getattr(limits, name)
        is_own = project.slug == slug
        if nominal is None or not (is_own or limits.enforced):
            continue
        return QuotaBar(
            project=slug,
            resource=name,
            used=standing.usage[slug].get(name, 0),
            waiting=_waiting(standing.waiting[slug], name),
            quota_of=project.slug,
            nominal=nominal,
            borrowing=_borrowing(project, limits, name),
            held=standing.usage[project.slug].get(name, 0),
            enforced=limits.enforced,
            borrowed=loans.borrowed if is_own else 0,
            lent=loans.lent if is_own else 0,
            lending=getattr(limits.lending, name, None) if is_own else None,
        )
    return None


def _borrowing(project: ProjectView, limits: Limits, name: str) -> int:
    """Nothing at the top of the tree, where there is nobody to borrow from."""
    may = project.parent is not None and limits.enforced and name in RESOURCES
    return (getattr(limits.borrowing, name) or 0) if may else 0


def _waiting(waiting: Waiting, name: str) -> int:
    if name in {"waiting_jobs", AHEAD}:
        return 0  # these are the jobs that wait; and what they will have ahead depends on when they start
    return waiting.jobs if name == "running_jobs" else getattr(waiting, name)
