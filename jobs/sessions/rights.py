"""Who may work beside a job: who may see what it carries."""

from django.contrib.auth.models import User

from jobs.models import Job
from quotas.access import Role, project_roles
from scheduling.errors import ForbiddenError


def require(user: User, job: Job) -> None:
    """Raises ForbiddenError for whoever may not work beside the job: inside it one reads its `env`, and acts in its owner's name."""
    if may(user, job):
        return
    if job.secrets:
        raise ForbiddenError(f"Job {job.pk} gets secrets, perhaps its owner's own: only its owner may work beside it.")
    raise ForbiddenError(
        f"Only the owner of job {job.pk}, admins of project {job.project} and staff may work beside it."
    )


def may(user: User, job: Job) -> bool:
    """The owner, unless he may only look by now; where it gets no secrets also admins of the project, and staff."""
    if not user.is_active or (job.secrets and job.owner_id != user.pk):
        return False
    if user.is_staff:
        return True
    role = project_roles(user).get(job.project_id)
    return role == Role.ADMIN or (role == Role.MEMBER and job.owner_id == user.pk)
