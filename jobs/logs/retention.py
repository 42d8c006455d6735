"""Forgets logs that are too old, or whose job was deleted: the object first, then its entry."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobs.logs import object_store
from jobs.logs.archive import delete_rows, our_turn
from jobs.models.logs import FollowedLog, StoredLog
from jobs.state import alerts
from scheduling.lifecycle import TERMINAL_STATES

ALERT = "log retention"
OBJECTS_AT_ONCE = 200
LOGS_AT_ONCE = 200
OLD_ROWS = """
    SELECT chunk.attempt_id, chunk.rank FROM jobs_logchunk AS chunk
    JOIN jobs_attempt AS attempt ON attempt.id = chunk.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    WHERE chunk.number = 0 AND job.state = ANY(%s) AND job.finished_at < statement_timestamp() - make_interval(days => %s)
    LIMIT %s
"""


def prune() -> int:
    """Forget the logs of jobs that ended longer ago than their retention; returns how many.

    Few at a time, so that nobody waits for it; a storage that is away costs an alert, and the next time it goes on.
    """
    with our_turn() as ours:
        if not ours:
            return 0
        FollowedLog.objects.filter(until__lt=Now()).delete()
        return _delete_objects() + _delete_old_rows()


def _expired() -> QuerySet[StoredLog]:
    cutoff = Now() - timedelta(days=settings.LOG_RETENTION_DAYS)
    old = Q(stored_at__lt=cutoff, attempt__job__state__in=TERMINAL_STATES, attempt__job__finished_at__lt=cutoff)
    return StoredLog.objects.filter(Q(attempt=None) | old).only("pk", "name").order_by("pk")


def _delete_objects() -> int:
    deleted = 0
    with alerts.storage_failure(ALERT, "Old logs could not be deleted"):
        while some := list(_expired()[:OBJECTS_AT_ONCE]):
            for entry in some:
                object_store.storage().delete(entry.name)
                entry.delete()
                deleted += 1
    return deleted


def _delete_old_rows() -> int:
    """Of logs that never got into the storage."""
    deleted = 0
    while some := _old_rows():
        for attempt_id, rank in some:
            delete_rows(attempt_id, rank)
        deleted += len(some)
    return deleted


def _old_rows() -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(OLD_ROWS, [sorted(TERMINAL_STATES), settings.LOG_RETENTION_DAYS, LOGS_AT_ONCE])
        return list(cursor.fetchall())
