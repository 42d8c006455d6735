"""The series of attempts in the database: read as they were stored, and forgotten when they are too old."""

from array import array
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from jobs.models import MetricSeries, ReportMark
from scheduling.lifecycle import TERMINAL_STATES
from workers.runtime.series import Series

PRUNED_AT_ONCE = 1000


def as_series(row: MetricSeries) -> Series:
    """The inverse of how it was stored."""
    return Series(array("d", row.steps), array("d", row.times), array("d", row.values), row.count)


def prune() -> int:
    """Delete the series of jobs that ended longer ago than their retention, some at a time; returns how many."""
    kept_from = Now() - timedelta(days=settings.METRIC_RETENTION_DAYS)
    old = ReportMark.objects.filter(attempt__job__state__in=TERMINAL_STATES, attempt__job__finished_at__lt=kept_from)
    some = list(old.values_list("attempt_id", flat=True)[:PRUNED_AT_ONCE])
    deleted, _ = MetricSeries.objects.filter(attempt__in=some).delete()
    ReportMark.objects.filter(attempt__in=some).delete()
    return deleted
