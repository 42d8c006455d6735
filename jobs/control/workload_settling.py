"""Bringing about what is wanted of workloads: their jobs are told, however many they are and whatever dies meanwhile.

The wish stands in the workload's row before a job is told. Who tells them does so a thousand at a time, each time only if
nothing else has been wanted since; a sweep goes on with what was left, and with jobs that came to it by another way.
"""

import logging
from collections.abc import Sequence

from django.db import OperationalError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from jobs.control import bulk, verbs, workload_verbs
from jobs.control.verbs import ActionRequest, Verb
from jobs.messages import publishing
from jobs.models import Job, Workload
from jobs.state.desired import CANCEL, PAUSE
from scheduling.lifecycle import PLACED_STATES, TERMINAL_STATES, JobState
from scheduling.workloads import Wanted, why_stopped

log = logging.getLogger(__name__)
STOPPED = (Wanted.HELD, Wanted.PAUSED)
RESTS = Q(state=JobState.PAUSED) | Q(desired=PAUSE) | Q(state=JobState.RUNNING, suspended_at__isnull=False)
ASIDE = Q(state=JobState.PENDING, out_of_line_since__isnull=False, held_at__isnull=True)
BY_PLATFORM = "the platform"
SWEEP = 20
"""So many workloads are seen to in one sweep."""


def settle(workload: Workload) -> None:
    """Tell its jobs what is wanted of it, as `workload` was read; stops where somebody wanted something else since."""
    asked = ActionRequest(workload.changed_by, reason=_reason(workload))
    for verb, jobs in _steps(workload):
        job_ids = list(jobs.order_by("pk").values_list("pk", flat=True))
        bulk.grant(verb, job_ids, asked, still=lambda: _is_still_wanted(workload))
    Workload.objects.filter(pk=workload.pk, version=workload.version).update(settled=True)
    publishing.request_cycle()


def reconcile() -> int:
    """One look of the sweep: workloads that stop because a job failed, and those whose jobs do not do what is wanted.

    Returns how many were seen to. Safe to run at any time, twice, and beside anything else.
    """
    try:
        found = [*_stop_failed(), *_deviating()][:SWEEP]
        for workload in found:
            settle(workload)
    except OperationalError as error:  # locked in a circle, or out of reach: the next sweep does what is left
        log.warning("Workloads are left to the next sweep: %s", error)
        return 0
    return len(found)


def _steps(workload: Workload) -> Sequence[tuple[Verb, QuerySet[Job]]]:
    jobs = Job.objects.filter(workload=workload.pk)
    left = jobs.exclude(state__in=TERMINAL_STATES)
    if workload.wish is Wanted.CANCELLED:
        root = workload.stopped_by
        return [(workload_verbs.cancel if root is None else workload_verbs.cancel_because_of(root), left)]
    if workload.wish in STOPPED:
        # Those that wait too, whether or not they stand aside already: one may just be getting its place.
        return [(workload_verbs.pause, left.exclude(state=JobState.PAUSED))]
    return [(verbs.resume, jobs.filter(RESTS)), (workload_verbs.release, jobs.filter(ASIDE))]


def _reason(workload: Workload) -> str:
    return why_stopped(workload.name, workload.wish, workload.stopped_by) or f"Workload {workload.name} goes on."


def _is_still_wanted(workload: Workload) -> bool:
    """Asked under a lock: who wants something else waits for the jobs that are just being told."""
    row = Workload.objects.select_for_update(no_key=True).filter(pk=workload.pk, version=workload.version)
    return row.values_list("pk", flat=True).first() is not None


def _deviating() -> list[Workload]:
    """Those that nobody finished telling, and those with a job that runs, or does not end, against what is wanted."""
    runs = Q(workload__wanted__in=STOPPED, state__in=PLACED_STATES, desired="")
    stays = Q(workload__wanted=Wanted.CANCELLED) & ~Q(state__in=TERMINAL_STATES) & ~Q(desired=CANCEL)
    astray = Job.objects.filter(runs | stays).order_by().values_list("workload", flat=True).distinct()
    unsettled = Workload.objects.filter(settled=False).order_by("pk").values_list("pk", flat=True)
    return list(Workload.objects.filter(pk__in={*unsettled[:SWEEP], *astray[:SWEEP]}).order_by("pk"))


def _stop_failed() -> list[Workload]:
    """Cancel workloads that stop at the first failure and have one."""
    failed = Job.objects.filter(state=JobState.FAILED, finished_at__gt=F("workload__watched_since"))
    watched = failed.filter(workload__stop_on_failure=True).exclude(workload__wanted=Wanted.CANCELLED)
    first = watched.order_by("workload", "finished_at", "pk").distinct("workload")
    found = list(first.values_list("workload", "workload__version", "pk")[:SWEEP])
    return [done for pk, version, root in found if (done := _stopped(pk, version, root)) is not None]


def _stopped(pk: int, version: int, root: int) -> Workload | None:
    """None if somebody wanted something else meanwhile: the next look judges anew."""
    wish = {"wanted": Wanted.CANCELLED, "stopped_by": root, "settled": False, "version": version + 1}
    by = {"changed_by": BY_PLATFORM, "changed_at": Now()}
    stopped = Workload.objects.filter(pk=pk, version=version).update(**wish, **by)
    return Workload.objects.get(pk=pk) if stopped else None
