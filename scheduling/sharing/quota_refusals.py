"""All that quotas have against a request, each project's own and what a cohort has together: whether, and in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from scheduling.reasons import Reason, ReasonCode, listed, number, quantity
from scheduling.resources import Request, Resources
from scheduling.sharing.cohorts import RESOURCES, Amounts, Cohorts
from scheduling.sharing.ledger import Ledger, Levels
from scheduling.sharing.quotas import Usage, quota_violation
from scheduling.snapshot import ProjectView

BORROWERS_NAMED = 3


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

    `told` makes of a reason what is told of it.
    """

    def __init__(
        self, usage: Ledger, cohorts: Cohorts | None, told: Callable[[Reason], Reason] = lambda one: one
    ) -> None:
        self._usage = usage
        self._cohorts = cohorts
        self._told = told
        self._own: dict[tuple[Resources, bool], dict[str, Reason | None]] = {}
        self._shared: dict[tuple[str, str | None, Resources, tuple[tuple[str, int], ...]], Reason] = {}

    def of(self, asked: Resources, levels: Levels, *, firm: bool) -> tuple[Reason, ...]:
        """Level by level, then parts of them, then cohorts."""
        chain, parts = levels
        if not chain and not parts:
            return ()
        known, found = self._own.setdefault((asked, firm), {}), list[Reason]()
        for project in (*chain, *parts):
            if project.slug not in known:
                known[project.slug] = self._of_project(project, asked, firm=firm)
            if (reason := known[project.slug]) is not None:
                found.append(reason)
        return (*found, *(self.of_cohorts(asked, chain[0].slug, firm=firm) if chain else ()))

    def _of_project(self, project: ProjectView, asked: Resources, *, firm: bool) -> Reason | None:
        reason = quota_violation(project, self._usage, asked, firm=firm)
        if reason is None:
            return None
        return self._told(reason if self._cohorts is None else _with_borrowers(reason, self._cohorts, self._usage))

    def of_cohorts(self, asked: Resources, slug: str, *, firm: bool) -> tuple[Reason, ...]:
        """Beside each project's own limit."""
        cohorts, missing = self._cohorts, dict[str, dict[str, int]]()
        if cohorts is None:
            return ()
        for name in RESOURCES:
            more = getattr(asked, name)
            for level, short in self._usage.short(slug, name, more, firm=firm) if more else ():
                missing.setdefault(level, {})[name] = short
        return tuple([self._of_cohort(level, slug, short, asked, cohorts) for level, short in missing.items()])

    def _of_cohort(self, level: str, slug: str, short: Amounts, asked: Resources, cohorts: Cohorts) -> Reason:
        key = (level, cohorts.branch_below(level, slug), asked, tuple(short.items()))
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = self._told(_reason(level, slug, short, asked, cohorts, self._usage))
        return found


def _reason(
    level: str, slug: str, short: Amounts, asked: Resources, cohorts: Cohorts, usage: Mapping[str, Usage]
) -> Reason:
    """For example: "The projects below team have 16 GPUs together (16 taken or kept, 4 of them borrowed by speech); ..."."""
    parts = []
    for name in short:
        pool = cohorts.pool(level, name)
        has = cohorts.ceiling(level, name) or 0 if pool is None else pool
        taken = cohorts.committed(level, name, usage) if pool is None else cohorts.taken(level, name, usage)
        by = _borrowers(level, name, cohorts, usage)
        parts.append(f"{quantity(name, has)} together ({number(name, taken)} taken or kept{by})")
    needs = listed(quantity(name, getattr(asked, name)) for name in short)
    back = ""
    if (branch := cohorts.branch_below(level, slug)) and cohorts.is_within(branch, asked, usage):
        back = f" It is within the quota of project {branch}: in its turn there it gets back what others have borrowed."
    sentence = f"The projects below {level} have {listed(parts)}; this job needs {needs}.{back}"
    return Reason(ReasonCode.QUOTA, sentence, dict(short), subject=level)


def _with_borrowers(reason: Reason, cohorts: Cohorts, usage: Mapping[str, Usage]) -> Reason:
    """The reason with those who have borrowed of what a project's limit refuses."""
    by = [words for name in reason.shortfall if (words := _borrowers(reason.subject, name, cohorts, usage))]
    return replace(reason, sentence=f"{reason.sentence[:-1]}{''.join(by)}.") if by else reason


def _borrowers(level: str, name: str, cohorts: Cohorts, usage: Mapping[str, Usage]) -> str:
    """For example ", 4 of them borrowed by speech", if anybody below this project has borrowed anything."""
    most = sorted((-amount, slug) for slug, amount in cohorts.borrowed_below(level, name, usage).items())
    if not most:
        return ""
    total = number(name, -sum(amount for amount, _ in most))
    named = [slug for _, slug in most[:BORROWERS_NAMED]]
    more = [f"{len(most) - BORROWERS_NAMED} more"] if len(most) > BORROWERS_NAMED else []
    return f", {total} of them borrowed by {listed([*named, *more])}"
