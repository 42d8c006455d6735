"""Quotas that another system keeps too: whether it answers, and what it has used of them beside what is ours."""

from collections.abc import Iterator

from django.conf import settings

from jobs.planning import job_rows, snapshot
from jobs.reports.metrics.families import Family, gauges
from jobs.usage.native_quotas import ours_by_project
from quotas.clock import database_now
from quotas.models import NativeQuotaRow
from quotas.providers.chosen import is_local
from quotas.providers.syncing import is_away
from scheduling.resources import ZERO


def providers() -> Iterator[Family]:
    """No samples where nobody else keeps quotas; then nothing is asked either."""
    rows = [] if is_local() else list(NativeQuotaRow.objects.select_related("project").order_by("project__slug"))
    now = database_now() if rows else None
    up = (
        []
        if is_local()
        else [(settings.QUOTA_PROVIDER, now is not None and not any(is_away(row, now) for row in rows))]
    )
    text = "1 if the quota provider told of every project of late, else 0."
    yield gauges("quota_provider_up", text, ("provider",), up)
    ours = ours_by_project(job_rows.running(), snapshot.nodes()) if rows else {}
    drift = []
    for row in rows:
        amount, placements = ours.get(row.project.slug, (ZERO, 0))
        mine = {"gpus": amount.gpus, "cpus": amount.cpus, "memory_mb": amount.memory_mb, "running_jobs": placements}
        drift += [(row.project.slug, name, row.used.get(name, 0) - mine[name]) for name in sorted(row.hard)]
    text = "What the provider has used of a quota less what our placements on its clusters hold: above 0 others do, below 0 it does not know ours."
    yield gauges("quota_provider_drift", text, ("project", "resource"), drift)
