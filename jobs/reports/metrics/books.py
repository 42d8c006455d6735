"""Usage on record, and the audits of the books."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Now

from jobs.models import AuditResult, UsageHour, UsageRollup
from jobs.reports.metrics.families import Family, Prepared, counter, counters, gauge, gauges
from scheduling.sharing.quota_audit import RESOURCES, TOLD_ONLY, Book, Mistake

HOUR = timedelta(hours=1)
DEVICES = ("gpu", "cpu")


def _rolled_up() -> QuerySet[Any, Any]:
    last = UsageHour.objects.filter(hour=OuterRef("rolled_up_until") - HOUR).order_by().values("hour")
    sums = {name: Subquery(last.annotate(sum=Sum(f"{name}_joules")).values("sum")) for name in DEVICES}
    rows = UsageRollup.objects.annotate(now=Now(), **sums).order_by("pk")
    return rows.values_list("now", "rolled_up_until", "jobs_deleted", *DEVICES)[:1]


ROLLED_UP = Prepared(_rolled_up)


def usage() -> Iterator[Family]:
    [(now, until, deleted, *sums)] = ROLLED_UP.rows() or [(None, None, 0, None, None)]
    text = "Energy of attempts that ended in the last hour of usage on record; no sample: none was measured."
    rows = [(name, joules) for name, joules in zip(DEVICES, sums, strict=True) if joules]
    yield gauges("energy_last_hour_joules", text, ("device",), rows)
    lag = (now - until).total_seconds() if until else 0.0
    yield gauge("usage_rollup_lag_seconds", "How old the last hour of usage on record is.", lag)
    text = "Jobs that were deleted, as they were too old."
    yield counter("deleted_jobs", text, deleted)


def audits() -> Iterator[Family]:
    """Zeros while nothing is wrong, and before the first audit."""
    known = {row.books: row for row in AuditResult.objects.all()}
    quotas, ledger = (known.get(books) or AuditResult() for books in AuditResult.Books)
    text = "By how much the planner's usage differs from what the rows of jobs, held GPUs and agents say."
    pairs = [(book, name, quotas.drift.get(book, {}).get(name, 0)) for book in Book for name in RESOURCES]
    yield gauges("quota_drift", text, ("book", "resource"), pairs)
    text = "Mistakes in the books of what jobs hold that were put right, by kind."
    mended = [(one, quotas.mended.get(one, 0)) for one in Mistake if one not in TOLD_ONLY]
    yield counters("quota_mistakes_mended", text, ("mistake",), mended)
    yield gauge("ledger_drift", "Placements of which the ledger says something else.", len(ledger.suspects))
    text = "Placements that had ended without being settled, and were settled by the audit."
    yield counter("ledger_settled_late", text, ledger.mended.get("settled", 0))
    for name, one in (("quota", quotas), ("ledger", ledger)):
        moment = one.at.timestamp() if one.at else 0
        yield gauge(f"last_{name}_audit_timestamp_seconds", "When these books were last compared.", moment)
        yield gauge(f"last_{name}_audit_seconds", "How long that took.", one.duration_ms / 1000)
