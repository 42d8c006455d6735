"""Schedules as people write, change, pause and forget them.

Everybody in its project sees a schedule. Its owner alone says what it runs, as that runs in his name; administrators of
the project may pause, resume and forget it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from jobs.models import JobSchedule
from jobs.schedules import moments
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import check
from quotas.access import Role, project_roles
from quotas.clock import database_now
from quotas.queries import find_project
from scheduling.errors import FieldError, ForbiddenError, InvalidError, NotFoundError

NOT_IN_A_SCHEDULE = ("depends_on", "deadline", "begin_at", "submission_key")
"""What can only be said of one job."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a schedule submits: as it was given, and as it was understood."""

    given: Mapping[str, Any]
    spec: JobSpec


def visible(user: User) -> QuerySet[JobSchedule]:
    found = JobSchedule.objects.select_related("project", "owner")
    return found if user.is_staff else found.filter(project__in=list(project_roles(user)))


def find(user: User, schedule_id: int) -> JobSchedule:
    """Raises NotFoundError when there is none, or none that `user` may see."""
    found = visible(user).filter(pk=schedule_id).first()
    if found is None:
        raise NotFoundError(f"There is no schedule {schedule_id}.")
    return found


@transaction.atomic
def create(*, owner: User, name: str, order: Order, cron: str, time_zone: str, **terms: Any) -> JobSchedule:
    """Raises InvalidError, by field, for what could never be submitted, and ForbiddenError for who may not submit there."""
    project = find_project(owner, order.spec.project)
    _check(order, owner)
    row = JobSchedule(
        name=name, project=project, owner=owner, job=dict(order.given), spec=asdict(order.spec),
        cron=cron, time_zone=time_zone, **terms,
    )  # fmt: skip
    row.next_at = _next(row, database_now())
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        words = f"There is a schedule {name} in project {project} already."
        raise InvalidError([FieldError("name", words, "taken")]) from None
    return row


@transaction.atomic
def change(user: User, schedule_id: int, columns: Mapping[str, Any], order: Order | None = None) -> JobSchedule:
    """Another job, other times, paused or not; what was missed while it was paused stays missed."""
    _to_control(user, schedule_id, anything=set(columns) | ({"job"} if order else set()) <= {"paused"})
    row = JobSchedule.objects.select_for_update().select_related("project", "owner").get(pk=schedule_id)
    for column, value in columns.items():
        setattr(row, column, value)
    if order is not None:
        if order.spec.project != row.project.slug:
            words = f"Is {row.project}, and stays so: make another schedule."
            raise InvalidError([FieldError("job.project", words)])
        _check(order, row.owner)
        row.job, row.spec = dict(order.given), asdict(order.spec)
    row.next_at = _next(row, database_now())
    row.save()
    return row


@transaction.atomic
def remove(user: User, schedule_id: int) -> None:
    """Its jobs stay."""
    _to_control(user, schedule_id, anything=True)
    JobSchedule.objects.filter(pk=schedule_id).delete()


def to_run(user: User, schedule_id: int) -> JobSchedule:
    """The schedule, for its owner to run."""
    return _to_control(user, schedule_id, anything=False)


def upcoming(schedule: JobSchedule, number: int, now: datetime) -> list[datetime]:
    """The next moments, at most so many."""
    if schedule.paused or schedule.next_at is None:
        return []
    found: list[datetime] = []
    for moment in moments.read(schedule.cron, schedule.time_zone, now):
        if len(found) == number or (schedule.ends_at is not None and moment > schedule.ends_at):
            break
        found.append(moment)
    return found


def _to_control(user: User, schedule_id: int, *, anything: bool) -> JobSchedule:
    """Raises ForbiddenError for who may not; `anything`: administrators may, too."""
    schedule = find(user, schedule_id)
    role = project_roles(user).get(schedule.project_id)
    if role != Role.VIEWER and (schedule.owner_id == user.pk or (anything and role == Role.ADMIN)):
        return schedule
    others = f" and administrators of {schedule.project}" if anything else ""
    raise ForbiddenError(
        f"Schedule {schedule} runs in the name of {schedule.owner}: only {schedule.owner}{others} may."
    )


def _check(order: Order, owner: User) -> None:
    faults = [
        FieldError(f"job.{name}", "Belongs to one job, and not to one that comes again and again.")
        for name in NOT_IN_A_SCHEDULE
        if order.given.get(name)
    ]
    if faults:
        raise InvalidError(faults)
    try:
        check(specs=[order.spec], owner=owner)
    except InvalidError as error:
        raise InvalidError([FieldError(f"job.{one.field}", one.message, one.code) for one in error.errors]) from None


def _next(row: JobSchedule, now: datetime) -> datetime | None:
    moment = moments.following(row.cron, row.time_zone, now, row.ends_at)
    return None if row.paused else moment
