"""Whose job it is: who may see the values of its environment, and say what runs in its owner's name."""

from django.contrib.auth.models import User

from jobs.models import Job
from quotas.access import Role, project_roles


def answers_for(user: User, job: Job) -> bool:
    """Its owner, administrators of its project, and staff."""
    return user.is_staff or job.owner_id == user.pk or project_roles(user).get(job.project_id) == Role.ADMIN
