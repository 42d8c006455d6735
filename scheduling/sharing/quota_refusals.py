"""All that quotas have against a request, each project's own and what a cohort has together, in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from scheduling.reasons import Reason, ReasonCode, listed, number, quantity
from scheduling.resources import Request, Resources
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Ledger, Levels
from scheduling.sharing.quotas import Usage, in_words
from scheduling.sharing.shortages import CohortShortage, OwnShortage, Shortage, Shortages
from scheduling.snapshot import ProjectView

HoldersOf: TypeAlias = Callable[[str, tuple[str, ...]], Mapping[int, Mapping[str, int]]]
Endings: TypeAlias = Callable[[Resources, Levels, bool], dict[str, str]]
BORROWERS_NAMED = 3


def _nobody(_: str, __: tuple[str, ...]) -> Mapping[int, Mapping[str, int]]:
    return {}


def _plain(_: Resources, __: Levels, ___: bool) -> dict[str, str]:
    return {}


def quota_refusals(
    request: Request,
    *,
    chain: Sequence[ProjectView],
    usage: Ledger,
    parts: Sequence[ProjectView] = (),
    cohorts: Cohorts | None = None,
    firm: bool = False,
) -> tuple[Reason, ...]:
    """All that quotas have against the request now, level by level, then cohorts; `firm`: it may not be stopped again."""
    return QuotaRefusals(usage, cohorts).of(request.total, Levels(chain, parts), firm=firm)


def cohort_refusals(
    request: Request, slug: str, cohorts: Cohorts, usage: Ledger, *, firm: bool = False
) -> tuple[Reason, ...]:
    """What cohorts have against the request on top of what is used, beside each project's own limit."""
    return QuotaRefusals(usage, cohorts).of_cohorts(request.total, slug, firm=firm)


class QuotaRefusals:
    """Asked while nothing changes: each reason is worked out once, for all jobs that are told the same.

    `holders` says who holds how much of what is missing at a level, `endings` with what words the first of the quotas of a
    level that refuse a request is to end.
    """

    def __init__(
        self, usage: Ledger, cohorts: Cohorts | None, holders: HoldersOf = _nobody, endings: Endings = _plain
    ) -> None:
        self._usage = usage
        self._cohorts = cohorts
        self._holders = holders
        self._endings = endings
        self._shortages = Shortages(usage)
        self._known: dict[tuple[Shortage, str], Reason] = {}
        self._together: dict[tuple[str, str], str] = {}

    def of(self, asked: Resources, levels: Levels, *, firm: bool) -> tuple[Reason, ...]:
        """Level by level, then parts of them, then cohorts."""
        found = self._shortages.of(asked, levels, firm=firm)
        endings = self._endings(asked, levels, firm) if found else {}
        told = []
        for one in found:
            ending = endings.pop(one.subject, "") if one.code is ReasonCode.QUOTA else ""
            told.append(self._reason(one, asked, ending, firm=firm))
        return tuple(told)

    def of_cohorts(self, asked: Resources, slug: str, *, firm: bool) -> tuple[Reason, ...]:
        """Beside each project's own limit."""
        found = self._shortages.of_project(asked, slug, firm=firm).cohorts
        return tuple([self._reason(one, asked, "", firm=firm) for one in found])

    def _reason(self, one: Shortage, asked: Resources, ending: str, *, firm: bool) -> Reason:
        found = self._known.get((one, ending))
        if found is None:
            sentence = ""
            if isinstance(one, OwnShortage):
                sentence = self._of_own(one, asked, firm=firm)
            elif isinstance(one, CohortShortage) and self._cohorts is not None:
                sentence = self._of_cohort(one, asked, self._cohorts)
            if ending:
                sentence = f"{sentence} {ending}"
            held = self._holders(one.subject, tuple(one.short))
            found = Reason(one.code, sentence, one.short, held_by=tuple(held), subject=one.subject, holds=held)
            self._known[one, ending] = found
        return found

    def _of_own(self, one: OwnShortage, asked: Resources, *, firm: bool) -> str:
        """With those who have borrowed of what a project's limit refuses."""
        sentence = in_words(one.project, self._usage, asked, one.short, firm=firm)
        if self._cohorts is None:
            return sentence
        by = [_borrowers(one.subject, name, self._cohorts, self._usage) for name in one.short]
        return f"{sentence[:-1]}{''.join(by)}."

    def _of_cohort(self, one: CohortShortage, asked: Resources, cohorts: Cohorts) -> str:
        """For example: "The projects below team have 16 GPUs together (16 taken or kept, 4 of them borrowed by speech); ..."."""
        have = listed([self._in_all(one.subject, name, cohorts) for name in one.short])
        needs = listed([quantity(name, getattr(asked, name)) for name in one.short])
        back = ""
        if one.branch and cohorts.is_within(one.branch, asked, self._usage):
            back = f" It is within the quota of project {one.branch}: in its turn there it gets back what others have borrowed."
        return f"The projects below {one.subject} have {have}; this job needs {needs}.{back}"

    def _in_all(self, level: str, name: str, cohorts: Cohorts) -> str:
        found = self._together.get((level, name))
        if found is None:
            found = self._together[level, name] = _together(level, name, cohorts, self._usage)
        return found


def _together(level: str, name: str, cohorts: Cohorts, usage: Mapping[str, Usage]) -> str:
    pool = cohorts.pool(level, name)
    has = cohorts.ceiling(level, name) or 0 if pool is None else pool
    taken = cohorts.committed(level, name, usage) if pool is None else cohorts.taken(level, name, usage)
    by = _borrowers(level, name, cohorts, usage)
    return f"{quantity(name, has)} together ({number(name, taken)} taken or kept{by})"


def _borrowers(level: str, name: str, cohorts: Cohorts, usage: Mapping[str, Usage]) -> str:
    """For example ", 4 of them borrowed by speech", if anybody below this project has borrowed anything."""
    most = sorted((-amount, slug) for slug, amount in cohorts.borrowed_below(level, name, usage).items())
    if not most:
        return ""
    total = number(name, -sum(amount for amount, _ in most))
    named = [slug for _, slug in most[:BORROWERS_NAMED]]
    more = [f"{len(most) - BORROWERS_NAMED} more"] if len(most) > BORROWERS_NAMED else []
    return f", {total} of them borrowed by {listed([*named, *more])}"
