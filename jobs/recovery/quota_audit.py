"""Twice a minute three books are compared: what the planner counts as used, what the rows of jobs say, what agents run.

Nothing is locked meanwhile but the audit's own row, and the planner waits for none of it. A difference counts once it
has been there for a while: what begins or ends between two looks is none. What counts is told on the operators' pages
and in Prometheus, and put right as far as nothing runs by it: see `quota_repair`. What an agent has lost or holds for
nobody is the leases' matter, and only told.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from jobs.models import AuditResult
from jobs.recovery import quota_books, quota_repair
from jobs.state import alerts
from quotas.clock import database_now
from scheduling.sharing.quota_audit import Book, Finding, drift, mistakes, read_otherwise

log = logging.getLogger(__name__)
KEY = "quota_drift"
SETTLED_SECONDS = 10.0
"""A difference that was there so long ago and still is has nothing to do with the moment."""
MOST_MENDED = 100
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What is wrong for longer than a moment, and what has been mended of it."""

    findings: Sequence[Finding] = ()
    mended: Sequence[Finding] = field(default=())


def audit() -> Look:
    """One look, and the mend of what counts. While another one is at it, nothing."""
    findings = _look()
    if findings is None:
        return Look()
    _tell(findings)
    jobs = sorted({one.job for one in findings if one.job and one.book != Book.AGENTS})
    mended = [done for job in jobs[:MOST_MENDED] for done in quota_repair.mend(job)]
    if mended:
        _count(mended)
    return Look(findings, mended)


def everything_wrong() -> list[Finding]:
    """At this moment, whether or not it will be right in the next."""
    planned, books = quota_books.planned(), quota_books.jobs()
    of_rows = [finding for one in books for finding in mistakes(one)]
    return [*of_rows, *read_otherwise(planned, books), *quota_books.left_held(), *quota_books.agents()]


@transaction.atomic
def _look() -> list[Finding] | None:
    AuditResult.objects.get_or_create(books=AuditResult.Books.QUOTAS)
    row = (
        AuditResult.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=AuditResult.Books.QUOTAS).first()
    )
    if row is None:
        return None
    began, at = time.perf_counter(), database_now()
    found = everything_wrong()
    now = at.timestamp()
    seen = {one.key: row.suspects.get(one.key, now) for one in found}
    settled = [one for one in found if now - seen[one.key] >= SETTLED_SECONDS]
    row.suspects, row.at, row.drift = seen, at, drift(settled)
    row.duration_ms = (time.perf_counter() - began) * 1000
    row.save(update_fields=["suspects", "at", "drift", "duration_ms"])
    return settled


def _tell(findings: Sequence[Finding]) -> None:
    if not findings:
        alerts.clear(KEY)
        return
    some = "; ".join(f"job {one.job} of project {one.project or '?'}: {one.sentence}" for one in findings[:SHOWN])
    more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
    alerts.raise_(KEY, f"The usage of quotas is not what runs: {some}{more}.")
    log.error("The usage of quotas is not what runs, %d mistakes: %s", len(findings), some)


@transaction.atomic
def _count(mended: Iterable[Finding]) -> None:
    row = AuditResult.objects.select_for_update(no_key=True).get(pk=AuditResult.Books.QUOTAS)
    row.mended = dict(Counter(row.mended) + Counter(str(one.mistake) for one in mended))
    row.save(update_fields=["mended"])
    for one in mended:
        log.warning("Mended in the books of job %d: %s", one.job, one.sentence, extra={"job": one.job})
