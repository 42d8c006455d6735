"""Whose job it is: who may see the values of its environment, and say what runs in its owner's name."""

from collections.abc import Iterable

from django.contrib.auth.models import User

from jobs.models.job import Job
from quotas.access import Role, project_roles


def answered_for(user: User, jobs: Iterable[Job]) -> set[int]:
    """The ids of those that are the user's own or of a project that they administer; all, for staff. Asks nothing for these."""
    jobs = list(jobs)
    own = {job.pk for job in jobs if user.is_staff or job.owner_id == user.pk}
    roles = project_roles(user) if len(own) < len(jobs) else {}
    return own | {job.pk for job in jobs if roles.get(job.project_id) == Role.ADMIN}


def answers_for(user: User, job: Job) -> bool:
    """Its owner, administrators of its project, and staff."""
    return job.pk in answered_for(user, [job])


def acts_for_owner(user: User, job: Job) -> bool:
    """Who answers for the job; of one that gets secrets, which may be its owner's own, the owner alone."""
    return job.owner_id == user.pk or (not job.secrets and answers_for(user, job))
