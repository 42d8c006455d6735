"""Removing projects from the tree: only one that nothing belongs to any more. Who wants to keep what was done archives it."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction

from jobs.models import Job, Reservation
from quotas.clock import database_now
from quotas.models import Project
from quotas.queries import administers
from scheduling.errors import ConflictError, ForbiddenError
from scheduling.lifecycle import TERMINAL_STATES


@transaction.atomic
def remove(*, project: Project, actor: User) -> None:
    """Delete a project without jobs, with its members, its quota and its budgets. The ledger and usage keep its name.

    By an admin of what is above it, at the top by staff. Raises ConflictError with what there is to be done before.
    """
    if not administers(actor, project.parent_id):
        raise ForbiddenError(f"Only an admin of what is above project {project} may delete it.")
    Project.objects.select_for_update().get(pk=project.pk)
    if why := kept_by(project):
        raise ConflictError(f"Project {project} is not deleted: {why}", state="used")
    project.delete()


def kept_by(project: Project, leaving: Collection[int] = ()) -> str:
    """Why it cannot be deleted, and what to do about that; empty if it can. Who is `leaving` keeps it no longer."""
    if Project.objects.filter(parent=project).exclude(pk__in=leaving).exists():
        return "there are projects below it. Move or delete those first."
    jobs = Job.objects.filter(project=project)
    if jobs.exclude(state__in=TERMINAL_STATES).exists():
        return f"jobs of it run or wait. Let them end, or cancel them: trainyard cancel --all -p {project}."
    if jobs.exists():
        return (
            "it has jobs that have ended, whose history would be lost. Archive it: then it takes no new jobs, and "
            "everything stays readable. It can be deleted once its jobs are, by a retention rule or by hand."
        )
    if Reservation.objects.filter(project=project, end__gt=database_now()).exists():
        return "nodes are reserved for it. Cancel its reservations first."
    return ""
