"""What a caller may do to a job. What they may not even see does not exist for them: 404, not 403."""

from django.contrib.auth.models import User
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs.models import Job, queries
from quotas.access import Role, project_roles
from scheduling.errors import ForbiddenError


class StaffWrites(BasePermission):
    """Everybody who is signed in reads, staff write."""

    message = "Only staff may change this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user and request.user.is_staff)


def caller(request: Request) -> User:
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def job_to_read(request: Request, job_id: int) -> Job:
    """The job, or NotFoundError when the caller belongs to no project that it is in."""
    return queries.find_job(caller(request), job_id)


def job_to_control(request: Request, job_id: int) -> Job:
    """The job; raises ForbiddenError for somebody who may only look at its project."""
    job = job_to_read(request, job_id)
    user = caller(request)
    if not user.is_staff and project_roles(user)[job.project_id] == Role.VIEWER:
        raise ForbiddenError(f"You may look at project {job.project}, but not change its jobs.")
    return job
