"""Submits the jobs of schedules that are due, each once, however often it is asked and whoever dies meanwhile."""

import logging
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from jobs.control import actions
from jobs.models import Job, JobSchedule
from jobs.models.job import ENDED
from jobs.schedules import moments
from jobs.submission.job_spec import Input, JobSpec
from jobs.submission.submit import submit
from quotas.clock import database_now
from scheduling.errors import ForbiddenError, TrainyardError

log = logging.getLogger(__name__)
LABEL = "schedule"
PATIENCE_SECONDS = 300.0
"""After so long a moment counts as missed: the platform was not there when it came."""
AT_ONCE = 500
"""Schedules that are looked at in one turn; the next turn is seconds away."""


def submit_due() -> int:
    """Returns how many jobs were submitted."""
    due = JobSchedule.objects.filter(next_at__lte=database_now()).order_by("next_at", "pk")
    return sum(_in_a_transaction_of_its_own(pk) for pk in due.values_list("pk", flat=True)[:AT_ONCE])


def _in_a_transaction_of_its_own(pk: int) -> bool:
    """A schedule that fails keeps no other one waiting, and is tried again with the next turn."""
    try:
        with transaction.atomic():
            return _submit_one(pk)
    except Exception:
        log.exception("Schedule %d could not be looked after.", pk)
        return False


def _submit_one(pk: int) -> bool:
    """Job and next moment are written together: a moment is never used twice, and never lost."""
    rows = JobSchedule.objects.select_for_update(skip_locked=True, of=("self",)).select_related("owner", "project")
    now = database_now()
    schedule = rows.filter(pk=pk, next_at__lte=now, paused=False).first()
    if schedule is None or schedule.next_at is None:
        return False
    moment = moments.latest(schedule.cron, schedule.time_zone, now)
    job, outcome = _at(schedule, moment, now)
    following = moments.following(schedule.cron, schedule.time_zone, now, schedule.ends_at)
    came_of_it = {"last_at": moment, "outcome": outcome[:500]} | ({} if job is None else {"last_job": job.pk})
    JobSchedule.objects.filter(pk=pk).update(next_at=following, **came_of_it)
    return job is not None


def _at(schedule: JobSchedule, moment: datetime, now: datetime) -> tuple[Job | None, str]:
    """The job of this moment, or none; and in a sentence why."""
    late = moments.is_late(moment, now, PATIENCE_SECONDS)
    if late and schedule.missed == JobSchedule.Missed.SKIP:
        return None, f"Nobody was there at {moment:%Y-%m-%d %H:%M} UTC: left out, as the schedule says."
    running = Job.objects.filter(pk=schedule.last_job or 0).exclude(state__in=ENDED).first()
    if running is not None and schedule.overlap == JobSchedule.Overlap.SKIP:
        return None, f"Job {running.pk} of it has not ended: left out, as the schedule says."
    try:
        job = submit_now(schedule)
    except TrainyardError as error:
        return None, f"Refused: {error}"
    if running is not None and schedule.overlap == JobSchedule.Overlap.REPLACE:
        actions.cancel(job_id=running.pk, actor=schedule.owner.get_username(), reason=f"Job {job.pk} takes its place.")
    missed = schedule.next_at is not None and schedule.next_at < moment
    return (
        job,
        f"Job {job.pk} was submitted{' late' if late else ''}.{' Moments before were missed.' if missed else ''}",
    )


@transaction.atomic
def submit_now(schedule: JobSchedule) -> Job:
    """A job of it, beside all times and rules. Raises what submitting raises, by the owner's rights of today."""
    owner: User = schedule.owner
    if not owner.is_active:
        raise ForbiddenError(f"{owner} has left: somebody else has to make the schedule his own.")
    [submitted] = submit(specs=[spec_of(schedule)], owner=owner)
    return submitted.job


def spec_of(schedule: JobSchedule) -> JobSpec:
    its = dict(schedule.spec)
    return JobSpec(
        **{
            **its,
            "command": tuple(its["command"]),
            "depends_on": (),
            "inputs": tuple(Input(**one) for one in its.get("inputs", ())),
            "labels": {**its["labels"], LABEL: schedule.name},
        }
    )
