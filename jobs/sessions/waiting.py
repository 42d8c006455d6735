"""What an agent asks: which sessions its placements are wanted for."""

from collections.abc import Collection

from jobs.models import JobSession
from jobs.sessions.opening import open_sessions


def waiting(placement_ids: Collection[int]) -> list[JobSession]:
    """Sessions beside these placements whose callers are there and whose agent is not."""
    rows = open_sessions().filter(placement__in=placement_ids, caller_at__isnull=False, agent_at__isnull=True)
    return list(rows.defer("token_hash").order_by("created_at"))
