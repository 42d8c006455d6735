"""Who may work beside a job: who may see what it carries."""

from django.contrib.auth.models import User

from jobs.models import Job
from jobs.models.rights import acts_for_owner
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
    """Who acts for its owner, unless he may only look by now."""
    if not user.is_active or not acts_for_owner(user, job):
        return False
    may_work = user.is_staff or job.owner_id != user.pk  # who acts for another administers the project
    return may_work or project_roles(user).get(job.project_id) in (Role.MEMBER, Role.ADMIN)
