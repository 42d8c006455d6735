"""Who sees the values of a job's environment: its owner and administrators of its project. Others see the names.

People hand tokens and passwords over in it, and everybody in a project may look at its jobs.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from jobs.editing.rights import answers_for
from jobs.models import Job
from quotas.access import Role, project_roles


def hide_from(user: User, jobs: Sequence[Job], documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The jobs as JSON, with null for each value that is not for this user; asks nothing where there is none."""
    others = [job for job in jobs if job.env and job.owner_id != user.pk]
    roles = project_roles(user) if others and not user.is_staff else {}
    hidden = {job.pk for job in others if not user.is_staff and roles.get(job.project_id) != Role.ADMIN}
    return [{**one, "env": dict.fromkeys(one["env"])} if one["id"] in hidden else one for one in documents]


def sees(user: User, job: Job) -> bool:
    return answers_for(user, job)
