"""Who sees the values of a job's environment: its owner and administrators of its project. Others see the names.

People hand tokens and passwords over in it, and everybody in a project may look at its jobs.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from jobs.models import Job
from jobs.models.rights import answered_for


def hide_from(user: User, jobs: Sequence[Job], documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The jobs as JSON, with null for each value that is not for this user; asks nothing where there is none."""
    telling = [job for job in jobs if job.env]
    hidden = {job.pk for job in telling} - answered_for(user, telling)
    return [{**one, "env": dict.fromkeys(one["env"])} if one["id"] in hidden else one for one in documents]
