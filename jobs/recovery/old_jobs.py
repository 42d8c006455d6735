"""Deletes jobs that ended longer ago than their project keeps them, once what they used is on record."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from jobs.control import forgotten_jobs
from jobs.control.job_deletion import delete, over
from jobs.control.job_retention import rules
from jobs.models import FloorShadowJob, Job, UsageRollup
from jobs.planning.budgets import gpu_hours_read_since
from jobs.usage.rollup import rolled_up_until
from quotas.clock import database_now

log = logging.getLogger(__name__)
AT_ONCE = 200
"""So many jobs in one transaction."""
SECONDS = 60.0
"""So long one call goes on; the next one goes on after it."""


def prune() -> int:
    """Delete what is too old, the oldest first, and answer how many jobs that was.

    Whole: attempts, events, logs, metrics. Never one that a waiting job needs, nor one whose last hour is not on record,
    nor one of a period of which a budget of GPU-hours is still reckoned: it would have them to spend again. The ledger and
    the hours of usage stay. Nodes are told, and remove what the jobs left there.
    """
    known = rolled_up_until()
    if known is None:
        return 0
    until, count = monotonic() + SECONDS, 0
    for cutoff, projects in _cutoffs(known, database_now()).items():
        while monotonic() < until and (deleted := _delete_some(projects, cutoff)):
            count += deleted
    forgotten_jobs.prune()
    if count:
        log.info("%d jobs were older than their project keeps them, and are deleted.", count)
    return count


def _cutoffs(known: datetime, now: datetime) -> Mapping[datetime, Collection[int]]:
    """What ended before each moment may go, of these projects."""
    reckoned, cutoffs = gpu_hours_read_since(now.timestamp()), defaultdict[datetime, list[int]](list)
    for project, rule in rules().items():
        if rule.days is not None:
            begin = datetime.fromtimestamp(reckoned.get(project, now.timestamp()), UTC)
            cutoffs[min(known, begin, now - timedelta(days=rule.days))].append(project)
    return cutoffs


@transaction.atomic
def _delete_some(projects: Collection[int], cutoff: datetime) -> int:
    in_shadow = Exists(FloorShadowJob.objects.filter(job=OuterRef("pk")))
    old = over(Job.objects.filter(~in_shadow, project__in=projects, finished_at__lt=cutoff))
    some = dict(old.order_by("finished_at").values_list("pk", "finished_at")[:AT_ONCE])
    count = delete(Job.objects.filter(pk__in=some), skip_locked=True) if some else 0
    left = set(Job.objects.filter(pk__in=some).values_list("pk", flat=True))
    forgotten_jobs.remember({job: ended_at for job, ended_at in some.items() if job not in left and ended_at})
    UsageRollup.objects.filter(pk=1).update(jobs_deleted=F("jobs_deleted") + count)
    return count
