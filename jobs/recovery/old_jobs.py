"""Deletes jobs that ended longer ago than their project keeps them, once what they used is on record."""

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from jobs.control.job_deletion import delete, over
from jobs.control.job_retention import rules
from jobs.models import FloorShadowJob, Job, UsageRollup
from jobs.models.clock import database_now
from jobs.usage.rollup import rolled_up_until

log = logging.getLogger(__name__)
AT_ONCE = 200
"""So many jobs in one transaction."""
SECONDS = 60.0
"""So long one call goes on; the next one goes on after it."""


def prune() -> int:
    """Delete what is too old, the oldest first, and answer how many jobs that was.

    Whole: attempts, events, logs, metrics. Never one that a waiting job needs, nor one whose last hour is not on record;
    the ledger and the hours of usage stay. What lies on the nodes stays there.
    """
    known = rolled_up_until()
    if known is None:
        return 0
    by_days: defaultdict[int, list[int]] = defaultdict(list)
    for project, rule in rules().items():
        if rule.days is not None:
            by_days[rule.days].append(project)
    now, until, count = database_now(), monotonic() + SECONDS, 0
    for days, projects in by_days.items():
        cutoff = min(known, now - timedelta(days=days))
        while monotonic() < until and (deleted := _delete_some(projects, cutoff)):
            count += deleted
    if count:
        log.info("%d jobs were older than their project keeps them, and are deleted.", count)
    return count


@transaction.atomic
def _delete_some(projects: Collection[int], cutoff: datetime) -> int:
    in_shadow = Exists(FloorShadowJob.objects.filter(job=OuterRef("pk")))
    old = over(Job.objects.filter(~in_shadow, project__in=projects, finished_at__lt=cutoff))
    some = list(old.order_by("finished_at").values_list("pk", flat=True)[:AT_ONCE])
    count = delete(Job.objects.filter(pk__in=some), skip_locked=True) if some else 0
    UsageRollup.objects.filter(pk=1).update(jobs_deleted=F("jobs_deleted") + count)
    return count
