"""Whether silence may be held against anybody: after a pause, or a leap of the clock, nobody can have been heard.

Leases are measured by the database's clock. While the database was away, or nobody swept, or its clock was set, that
clock says nothing of whether an agent lives. Then every agent has another lease's time to renew before any is judged.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.models import Placement
from jobs.models.sweep import Sweep
from quotas.clock import database_now
from workers.models import Cluster, Node

log = logging.getLogger(__name__)
LEAP_SECONDS = 1.0


class ClockReading(NamedTuple):
    """The database's clock, and this process's own just before and just after it was read."""

    before: float
    database: datetime
    after: float


class ClockGuard:
    """Compares the database's clock with this process's, which never leaps."""

    def __init__(self) -> None:
        self.last: ClockReading | None = None

    def read(self) -> tuple[datetime, bool]:
        """The database's time, and whether its clock was set since the last look."""
        before = time.monotonic()
        reading = ClockReading(before, database_now(), time.monotonic())
        last, self.last = self.last, reading
        if last is None:
            return reading.database, False
        passed = (reading.database - last.database).total_seconds()
        # The database read its clock at some moment between our two looks: only what no such moment explains is a leap.
        shortest, longest = reading.before - last.after, reading.after - last.before
        return reading.database, not shortest - LEAP_SECONDS <= passed <= longest + LEAP_SECONDS


guard = ClockGuard()


def leases_may_expire() -> bool:
    """Note this sweep, in the caller's transaction; whether leases that ran out may be taken for lost now."""
    Sweep.objects.bulk_create([Sweep()], ignore_conflicts=True)
    row = Sweep.objects.select_for_update().get()
    # Two signs, as neither sees all: a pause stands in the row, whoever swept last; a leap only this process can see, by
    # its own clock.
    now, leapt = guard.read()
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    if leapt or _paused(row, now, lease):
        log.warning("Nobody swept for a while, or the clock was set: leases are judged after another %s.", lease)
        row.leases_judged_from = now + lease
        _cut_short(now, lease)
    # Never later than a lease from now: set back, the clock would leave an old date far ahead.
    row.leases_judged_from = min(row.leases_judged_from, now + lease) if row.leases_judged_from else None
    row.swept_at = now
    row.save(update_fields=["swept_at", "leases_judged_from"])
    return row.leases_judged_from is None or now >= row.leases_judged_from


def _paused(row: Sweep, now: datetime, lease: timedelta) -> bool:
    """Whether an agent that lives may have had no time to renew since the last sweep.

    Not soon after the last such chance: sweeps that always come late must not put off judgement for ever.
    """
    if row.swept_at is None or (row.leases_judged_from and now < row.leases_judged_from + lease):
        return False
    # At the last sweep each lease had at least this left, as agents renew them with every heartbeat.
    longest = max(lease - timedelta(seconds=settings.HEARTBEAT_SECONDS), lease / 2)
    return not timedelta(0) <= now - row.swept_at <= longest


def _cut_short(now: datetime, lease: timedelta) -> None:
    """After the clock was set back, what was dated by it lies in a future in which nobody would be missed."""
    ahead: QuerySet[Placement] = Placement.objects.filter(closed_at__isnull=True)
    ahead.filter(lease_expires_at__gt=now + lease).update(lease_expires_at=now + lease)
    ahead.filter(published_at__gt=now).update(published_at=Now())
    Node.objects.filter(last_heartbeat_at__gt=now).update(last_heartbeat_at=Now())
    Cluster.objects.filter(last_heartbeat_at__gt=now).update(last_heartbeat_at=Now())
    Cluster.objects.filter(reached_at__gt=now).update(reached_at=Now())
