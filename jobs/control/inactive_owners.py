"""What becomes of the jobs of somebody who is made inactive: they go on, or are cancelled, as the operator has it."""

import logging

from django.conf import settings

from jobs.control import actions
from jobs.models import Job
from jobs.state.desired import CANCEL
from scheduling.errors import TrainyardError
from scheduling.lifecycle import TERMINAL_STATES

log = logging.getLogger(__name__)
CANCEL_RULE = "cancel"
SWEEP = 100
NAME_LENGTH = 150


def cancel_their_jobs() -> int:
    """One look, however the owner was made inactive; returns how many jobs are cancelled for it. Safe to run at any time."""
    if settings.INACTIVE_OWNERS_JOBS != CANCEL_RULE:
        return 0
    jobs = Job.objects.filter(owner__is_active=False).exclude(state__in=TERMINAL_STATES).exclude(desired=CANCEL)
    found = list(jobs.order_by("pk").values_list("pk", "owner__username")[:SWEEP])
    return sum(_cancel(job_id, owner) for job_id, owner in found)


def _cancel(job_id: int, owner: str) -> bool:
    try:
        actions.cancel(job_id=job_id, actor=f"the platform, as {owner} is inactive"[:NAME_LENGTH])
    except TrainyardError as error:  # it has ended meanwhile
        log.info("Job %d of %s was not cancelled: %s", job_id, owner, error, extra={"job": job_id})
        return False
    return True
