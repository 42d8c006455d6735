"""All that quotas have against a request, each project's own and what a cohort has together: whether, and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scheduling.reasons import Reason, ReasonCode, listed, number, quantity
from scheduling.resources import Request, Resources
from scheduling.sharing.cohorts import RESOURCES, Amounts, Cohorts
from scheduling.sharing.quotas import Usage, is_within, quota_violations
from scheduling.snapshot import ProjectView

BORROWERS_NAMED = 3


def is_refused(
    request: Request, *, chain: Sequence[ProjectView], usage: Mapping[str, Usage], cohorts: Cohorts | None, firm: bool
) -> bool:
    """Whether `quota_refusals` would say anything; found sooner."""
    more = request.total
    if not all(is_within(project, usage, more, firm=firm) for project in chain):
        return True
    if cohorts is None or not chain:
        return False
    slug = chain[0].slug
    asked = [(name, amount) for name in RESOURCES if (amount := getattr(more, name))]
    return any(True for name, amount in asked for _ in cohorts.short(slug, name, amount, usage, firm=firm))


def quota_refusals(
    request: Request,
    *,
    chain: Sequence[ProjectView],
    usage: Mapping[str, Usage],
    cohorts: Cohorts | None = None,
    firm: bool = False,
) -> tuple[Reason, ...]:
    """All that quotas have against the request now, level by level, then cohorts; `firm`: it may not be stopped again."""
    own = quota_violations(request, chain=chain, usage=usage, firm=firm)
    if cohorts is None or not chain:
        return own
    told = (_with_borrowers(reason, cohorts, usage) for reason in own)
    return (*told, *cohort_refusals(request, chain[0].slug, cohorts, usage, firm=firm))


def cohort_refusals(
    request: Request, slug: str, cohorts: Cohorts, usage: Mapping[str, Usage], *, firm: bool = False
) -> tuple[Reason, ...]:
    """What cohorts have against the request on top of what is used, beside each project's own limit."""
    missing: dict[str, dict[str, int]] = {}
    for name in RESOURCES:
        more = getattr(request.total, name)
        for level, short in cohorts.short(slug, name, more, usage, firm=firm) if more else ():
            missing.setdefault(level, {})[name] = short
    return tuple(_reason(level, slug, short, request.total, cohorts, usage) for level, short in missing.items())


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
