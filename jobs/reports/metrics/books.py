"""Usage on record, and the audits of the books."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import OuterRef, Subquery, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from jobs.models import AuditResult, UsageHour, UsageRollup
from jobs.reports.metrics.families import Family, gauge, labelled
from quotas.clock import database_now
from scheduling.sharing.quota_audit import RESOURCES, TOLD_ONLY, Book, Mistake

HOUR = timedelta(hours=1)


def usage() -> Iterator[Family]:
    last = UsageHour.objects.filter(hour=OuterRef("rolled_up_until") - HOUR).order_by().values("hour")
    sums = {name: Subquery(last.annotate(sum=Sum(f"{name}_joules")).values("sum")) for name in ("gpu", "cpu")}
    known = UsageRollup.objects.annotate(**sums).first()
    text = "Energy of attempts that ended in the last hour of usage on record; no sample: none was measured."
    rows = [(name, joules) for name in sums if (joules := getattr(known, name, None))]
    yield labelled(GaugeMetricFamily, "energy_last_hour_joules", text, ("device",), rows)
    known = known or UsageRollup()
    lag = (database_now() - known.rolled_up_until).total_seconds() if known.rolled_up_until else 0.0
    yield gauge("usage_rollup_lag_seconds", "How old the last hour of usage on record is.", lag)
    text = "Jobs that were deleted, as they were too old."
    yield CounterMetricFamily("trainyard_deleted_jobs", text, known.jobs_deleted)


def audits() -> Iterator[Family]:
    """Zeros while nothing is wrong, and before the first audit."""
    known = {row.books: row for row in AuditResult.objects.all()}
    quotas, ledger = (known.get(books) or AuditResult() for books in AuditResult.Books)
    text = "By how much the planner's usage differs from what the rows of jobs, held GPUs and agents say."
    pairs = [(book, name, quotas.drift.get(book, {}).get(name, 0)) for book in Book for name in RESOURCES]
    yield labelled(GaugeMetricFamily, "quota_drift", text, ("book", "resource"), pairs)
    text = "Mistakes in the books of what jobs hold that were put right, by kind."
    mended = [(one, quotas.mended.get(one, 0)) for one in Mistake if one not in TOLD_ONLY]
    yield labelled(CounterMetricFamily, "quota_mistakes_mended", text, ("mistake",), mended)
    yield gauge("ledger_drift", "Placements of which the ledger says something else.", len(ledger.suspects))
    text = "Placements that had ended without being settled, and were settled by the audit."
    yield CounterMetricFamily("trainyard_ledger_settled_late", text, ledger.mended.get("settled", 0))
    for name, one in (("quota", quotas), ("ledger", ledger)):
        moment = one.at.timestamp() if one.at else 0
        yield gauge(f"last_{name}_audit_timestamp_seconds", "When these books were last compared.", moment)
        yield gauge(f"last_{name}_audit_seconds", "How long that took.", one.duration_ms / 1000)
