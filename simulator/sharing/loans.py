"""How much quota was borrowed and lent in a replay: what each project held beyond its own, as long as it did."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scheduling.resources import Request
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Cells, Ledger
from scheduling.snapshot import ProjectView
from simulator.outcome import Run

HOUR = 3_600.0


class LoanHours(NamedTuple):
    """Hours of a GPU, or of a CPU: held beyond nominal quota, and of nominal quota not to be had without giving back."""

    borrowed: float = 0.0
    lent: float = 0.0


def loan_hours(
    runs: Sequence[Run],
    requests: Mapping[int, Request],
    projects: Mapping[int, str],
    tree: Sequence[ProjectView],
    resource: str,
) -> LoanHours:
    """Of all together that have jobs: of each the nearest project with a quota. `projects` says whose each job is."""
    cohorts = Cohorts.of(tree)
    if cohorts is None:
        return LoanHours()
    loans = _Loans(cohorts, {projects[run.number] for run in runs}, resource)
    changes = [(moment, run.number, starts) for run in runs for moment, starts in ((run.start, True), (run.end, False))]
    for moment, number, starts in sorted(changes):
        loans.change(moment, projects[number], requests[number], starts=starts)
    return LoanHours(loans.borrowed_s / HOUR, loans.lent_s / HOUR)


class _Loans:
    """Goes from one start or end to the next, and adds up what was borrowed and lent until then."""

    def __init__(self, cohorts: Cohorts, projects: Iterable[str], resource: str) -> None:
        self.borrowed_s = self.lent_s = 0.0
        self._cohorts, self._resource = cohorts, resource
        self._usage = Ledger.of(Cells(cohorts.tree), ())
        self._at = 0.0
        self._accounts = sorted({slug for one in projects if (slug := self._account(one)) is not None})

    def _account(self, project: str) -> str | None:
        chain = self._cohorts.chain(project)
        return next((slug for slug in chain if self._cohorts.nominal(slug, self._resource) is not None), None)

    def change(self, moment: float, project: str, request: Request, *, starts: bool) -> None:
        if moment > self._at:
            self._add_up(moment - self._at)
            self._at = moment
        sign = 1 if starts else -1
        self._usage.change(project, request.total * sign, sign)

    def _add_up(self, seconds: float) -> None:
        over = [max(0, self._cohorts.over(slug, self._resource, self._usage)) for slug in self._accounts]
        self.borrowed_s += sum(over) * seconds
        if any(over):  # else nobody has lent: that takes a hundred times as long to find out
            lent = (self._cohorts.loans(slug, self._resource, self._usage).lent for slug in self._accounts)
            self.lent_s += sum(lent) * seconds
