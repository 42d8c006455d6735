"""Who sees which projects."""

from django.contrib.auth.models import User
from django.db.models import QuerySet

from quotas.access import Role, project_roles
from quotas.models import Project
from scheduling.errors import NotFoundError


def visible_projects(user: User) -> QuerySet[Project]:
    projects = Project.objects.select_related("parent")
    return projects if user.is_staff else projects.filter(pk__in=list(project_roles(user)))


def find_project(user: User, slug: str) -> Project:
    """Raises NotFoundError when there is no such project, or none that `user` belongs to."""
    project = None if "\0" in slug else visible_projects(user).filter(slug=slug).first()
    if project is None:
        raise NotFoundError(f"There is no project {slug}.")
    return project


def administers(user: User, project_id: int | None) -> bool:
    """Whether `user` is an admin of this project, or of one above it. What has no project is for staff."""
    return user.is_staff or (project_id is not None and project_roles(user).get(project_id) == Role.ADMIN)
