"""Placements are closed here, whoever has them closed: their resources are free with that."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection

from jobs.models import GpuHold, Placement

CLOSE_PLACEMENTS = """
    UPDATE jobs_placement SET
        state = 'closed', closed_at = greatest(jobs_placement.created_at, coalesce(said.at, statement_timestamp())),
        lease_expires_at = NULL, end_reason = said.end_reason
    FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS said (placement_id, end_reason, at)
    WHERE jobs_placement.id = said.placement_id
    RETURNING jobs_placement.id, jobs_placement.closed_at, EXISTS (SELECT FROM quotas_price)
"""


def free(
    rows: Sequence[Placement], reasons: Mapping[int, str], ended: Mapping[int, datetime] | None = None
) -> dict[int, datetime]:
    """Close these placements now, or where it is `ended`, as of then. Answers when each was closed, where anything has a price.

    What nobody is charged for says nothing of the node: it has no reason, and leaves none behind.
    """
    if any(row.gpu_indices for row in rows):
        GpuHold.objects.filter(placement__in=rows).delete()
    known = ended or {}
    ids, words = [row.pk for row in rows], [reasons.get(row.pk, "") for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(CLOSE_PLACEMENTS, [ids, words, [known.get(pk) for pk in ids]])
        return {pk: closed_at for pk, closed_at, priced in cursor.fetchall() if priced}
