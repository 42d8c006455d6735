"""Changing a job's terms as people do, without the doors that judge what they ask for."""

from typing import Any

from jobs.control import actions
from jobs.models import Job


def change(*, job_id: int, actor: str, **fields: Any) -> Job:
    """Name and labels at any time, and its place in line while it waits."""
    return actions.change_columns(job_id=job_id, actor=actor, columns=actions.columns_of(fields))
