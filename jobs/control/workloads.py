"""What people do to workloads: change them, start, pause, resume and cancel all of their jobs, retry what failed.

A verb that is asked twice is granted twice and changes nothing the second time. Of two wishes the later one counts, but
nothing takes back a cancellation.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from jobs.control import bulk, verbs
from jobs.control.bulk import BulkResult
from jobs.control.verbs import ActionRequest
from jobs.control.workload_settling import settle
from jobs.messages import publishing
from jobs.models import Job, Workload
from jobs.state.queue_transitions import UNSTARTED
from quotas.access import Role, project_roles
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError
from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.workloads import ASKS, Verb, Wanted, refusal


def visible_workloads(user: User) -> QuerySet[Workload]:
    found = Workload.objects.select_related("project", "owner")
    return found if user.is_staff else found.filter(project__in=list(project_roles(user)))


def find_workload(user: User, workload_id: int) -> Workload:
    """Raises NotFoundError when there is no such workload, or none that `user` may see."""
    found = visible_workloads(user).filter(pk=workload_id).first()
    if found is None:
        raise NotFoundError(f"There is no workload {workload_id}.")
    return found


def workload_to_control(user: User, workload_id: int) -> Workload:
    """The workload; raises ForbiddenError for all but its owner and administrators of its project."""
    workload = find_workload(user, workload_id)
    role = project_roles(user).get(workload.project_id)
    if role == Role.VIEWER:
        raise ForbiddenError(f"You may look at project {workload.project}, but not change its workloads.")
    if role != Role.ADMIN and workload.owner_id != user.pk:
        whose = workload.owner or "somebody who has left"
        raise ForbiddenError(
            f"Workload {workload} is of {whose}: only {whose} and administrators of {workload.project} may."
        )
    return workload


@transaction.atomic
def change(workload: Workload, columns: Mapping[str, Any]) -> Workload:
    """Set its name, description, how many run at once, and whether it stops at the first failure: one that comes after this."""
    row = _locked(workload)
    name = columns.get("name", row.name)
    if Workload.objects.filter(project=row.project_id, name=name).exclude(pk=row.pk).exists():
        raise InvalidError(
            [FieldError("name", f"There is a workload {name} in project {workload.project} already.", "taken")]
        )
    watches = {"watched_since": Now()} if columns.get("stop_on_failure") and not row.stop_on_failure else {}
    if columns:
        Workload.objects.filter(pk=row.pk).update(**columns, **watches)
        publishing.request_cycle()
    return _read(workload)


def set_priority(workload: Workload, priority: int, actor: str) -> BulkResult:
    """Give all of its jobs that wait, or are paused, this priority. Raises ConflictError if none of them takes it."""
    waiting = workload.jobs.filter(state__in=UNSTARTED)
    asked = ActionRequest(actor, columns={"priority": priority})
    outcome = bulk.grant(verbs.change, _ids(waiting), asked)
    if outcome.refusals and not (outcome.changed or outcome.unchanged):
        raise ConflictError(next(iter(outcome.refusals.values())))
    return outcome


def ask(workload: Workload, verb: Verb, actor: str) -> Workload:
    """Have all of its jobs do it, those too that come to it later. Raises ConflictError with what there is to be done."""
    asked = _wanted(workload, verb, actor)
    if not asked.settled:
        settle(asked)
    return _read(workload)


@transaction.atomic
def _wanted(workload: Workload, verb: Verb, actor: str) -> Workload:
    """Write what is wanted from now on; committed before any job is told, so that it is done whoever dies.

    No cycle is asked for yet: those that were paused are to be back in line before others take their places.
    """
    row = _locked(workload)
    why = refusal(row.name, row.wish, verb)
    if why:
        raise ConflictError(why, state=row.wanted)
    if row.wish is ASKS[verb]:
        return row
    starts = {"started_at": Now()} if row.wish is Wanted.HELD and verb is Verb.START else {}
    _write_wish(row, actor, wanted=ASKS[verb], settled=False, stopped_by=None, **starts)
    row.refresh_from_db()
    return row


def retry_failed(workload: Workload, actor: str) -> BulkResult:
    """Put its jobs that failed back in line, and those that were cancelled because another job of it failed.

    One that stopped at a failure is open again. Raises ConflictError for one that somebody cancelled.
    """
    with transaction.atomic():
        row = _locked(workload)
        if row.wish is Wanted.CANCELLED and row.stopped_by is None:
            raise ConflictError(refusal(row.name, row.wish, Verb.RESUME), state=row.wanted)
        again = {"wanted": Wanted.OPEN, "stopped_by": None} if row.wish is Wanted.CANCELLED else {}
        _write_wish(row, actor, watched_since=Now(), **again)
    its_own = Job.objects.filter(workload=row.pk, pk=OuterRef("root_cause"))
    failed = Q(state=JobState.FAILED) | Q(Exists(its_own), state=JobState.CANCELLED)
    return bulk.grant(verbs.requeue, _ids(row.jobs.filter(failed)), ActionRequest(actor))


@transaction.atomic
def remove(workload: Workload) -> None:
    """Forget it; its jobs, which have all ended, stay. Raises ConflictError while one has not."""
    row = Workload.objects.select_for_update().filter(pk=workload.pk).first()
    if row is None:
        raise NotFoundError(f"There is no workload {workload.pk}.")
    left = row.jobs.exclude(state__in=TERMINAL_STATES).count()
    if left:
        words = f"Workload {row} has jobs that have not ended ({left}): let them end, or cancel it first."
        raise ConflictError(words, state=row.wanted)
    row.delete()


def _write_wish(row: Workload, actor: str, **columns: Any) -> None:
    by = {"changed_by": actor, "changed_at": Now(), "version": F("version") + 1}
    Workload.objects.filter(pk=row.pk).update(**columns, **by)


def _locked(workload: Workload) -> Workload:
    row = Workload.objects.select_for_update(no_key=True).filter(pk=workload.pk).first()
    if row is None:
        raise NotFoundError(f"There is no workload {workload.pk}.")
    return row


def _read(workload: Workload) -> Workload:
    found = Workload.objects.select_related("project", "owner").filter(pk=workload.pk).first()
    if found is None:
        raise NotFoundError(f"There is no workload {workload.pk}.")
    return found


def _ids(jobs: QuerySet[Job]) -> list[int]:
    return list(jobs.order_by("pk").values_list("pk", flat=True))
