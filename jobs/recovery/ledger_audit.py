"""Every ten minutes what was booked and what ended of late is worked out again; what ended without being settled is settled.

What is older cannot change: the ledger is only added to. `manage.py audit_costs` works out all of it.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from jobs.costs.audit import Audit, Drift, audit, settle_left
from jobs.models import AuditResult, Job
from jobs.state import alerts, transitions
from quotas.clock import database_now
from quotas.models import LedgerTransaction

log = logging.getLogger(__name__)
KEY = "ledger_drift"
EVENT = "settled_late"
FIRST_LOOK = timedelta(days=1)
LATE = timedelta(hours=1)
"""What was booked so long before the last audit may have been committed after it."""
MOST_KEPT = 50


def watch() -> Sequence[Drift]:
    """One pass: settles what is left, and answers what drifts all the same."""
    began, now = time.perf_counter(), database_now()
    row, _ = AuditResult.objects.get_or_create(books=AuditResult.Books.LEDGER)
    since = (row.at or now - FIRST_LOOK) - LATE
    found = audit(since)
    if found.unsettled:
        settle(found)
        found = audit(since)
    record(found.drifts)
    took = (time.perf_counter() - began) * 1000
    AuditResult.objects.filter(pk=row.pk).update(at=now, duration_ms=took)
    return found.drifts


def settle(found: Audit) -> Mapping[int, datetime]:
    """Settle what an audit found unsettled; each is told in its job's history. Answers which placements, and as of when."""
    settle_left(found)
    booked = LedgerTransaction.objects.filter(placement__in=list(found.unsettled), kind=LedgerTransaction.Kind.SETTLE)
    there = set(Job.objects.filter(pk__in=booked.values("job")).values_list("pk", flat=True))
    for one in booked.order_by("pk"):
        words = (
            f"Placement {one.placement} had ended without being settled: it was settled at {one.cost} {one.currency}."
        )
        log.warning("Job %d: %s", one.job, words, extra={"job": one.job, "placement": one.placement})
        if one.job in there:
            transitions.note([one.job], EVENT, message=words, data={"placement": one.placement, "cost": str(one.cost)})
    _write(mended=len(found.unsettled))
    return found.unsettled


def record(drifts: Sequence[Drift], *, whole: bool = False) -> None:
    """What drifts stays on record, and on the operators' pages, until the `whole` ledger was found without it."""
    known = {str(one.placement): one.sentence for one in drifts[:MOST_KEPT]}
    suspects = _write(known, whole=whole)
    if not suspects:
        alerts.clear(KEY)
        return
    first = next(iter(suspects))
    told = f"{len(suspects)} placements drift in the ledger; placement {first}: {suspects[first]}"
    alerts.raise_(KEY, f"{told} `manage.py audit_costs` works out all of it ({settings.CURRENCY}).")


@transaction.atomic
def _write(suspects: Mapping[str, str] | None = None, *, whole: bool = False, mended: int = 0) -> Mapping[str, str]:
    AuditResult.objects.get_or_create(books=AuditResult.Books.LEDGER)
    row = AuditResult.objects.select_for_update(no_key=True).get(pk=AuditResult.Books.LEDGER)
    kept = {} if whole else row.suspects
    row.suspects = dict(list({**kept, **(suspects or {})}.items())[:MOST_KEPT])
    row.drift = {"placements": len(row.suspects)}
    row.mended = dict(Counter(row.mended) + Counter(settled=mended))
    row.save(update_fields=["suspects", "drift", "mended"])
    return row.suspects
