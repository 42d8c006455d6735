"""Carrying out what was asked of jobs, in as few statements for a thousand of them as for one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Extract, Now

from jobs.attempts import completion
from jobs.control import queue_refusals, verbs
from jobs.control.verbs import ActionRequest, Decision, Verb
from jobs.messages import publishing, remote_control
from jobs.models import Attempt, Job, JobEvent, Placement
from jobs.planning import dead_dependencies
from jobs.state import transitions
from jobs.state.desired import CANCEL, PAUSE, REQUEUE
from jobs.state.outcome import PlacementOutcome, PlacementRef
from jobs.state.transitions import MESSAGE_LENGTH
from scheduling.lifecycle import PLACED_STATES, EndReason, JobState, PlacementState
from workers.models import Node

ENDS_BY = {
    CANCEL: (EndReason.CANCELLED, "Cancelled by {}."),
    REQUEUE: (EndReason.PREEMPTED, "Requeued by {}."),
    PAUSE: (EndReason.PAUSED, "Paused by {}."),
}
"""How a job ends that nobody has claimed yet, so that there is nobody to stop it."""


def decisions(jobs: Sequence[Job], verb: Verb, asked: ActionRequest) -> dict[int, Decision]:
    """What each of the jobs says; nothing is written."""
    if verb is verbs.resume:
        asked = replace(asked, ending=_gangs_ending(job.pk for job in jobs if job.desired == PAUSE))
    told = {job.pk: verb(job, asked) for job in jobs}
    if verb is verbs.suspend:
        return told | _cannot_stand_still([job for job in jobs if told[job.pk].changes])
    if verb is verbs.change:
        return told | queue_refusals.refused([job for job in jobs if told[job.pk].changes], asked)
    return told | _in_vain(jobs, told, asked.among) if verb is verbs.requeue else told


def _cannot_stand_still(jobs: Sequence[Job]) -> dict[int, Decision]:
    """The refusals of those that run in clusters which let nothing stand still."""
    rows = Node.objects.filter(pk__in={job.node_id for job in jobs}, cluster__unsupported__has_key="suspend")
    reasons = {
        row.pk: f"Cluster {row.cluster}: {row.cluster.unsupported['suspend']}"
        for row in rows.select_related("cluster")
        if row.cluster
    }
    return {
        job.pk: Decision(f"Job {job.pk} cannot be suspended. {reasons[job.node_id]} Pause it instead.")
        for job in jobs
        if job.node_id in reasons
    }


def _in_vain(jobs: Sequence[Job], told: Mapping[int, Decision], among: frozenset[int]) -> dict[int, Decision]:
    """The refusals of those that would only end again, because what they need stays as it is."""
    again = [job for job in jobs if told[job.pk].changes]
    mortal = [job.pk for job in again if job.on_dependency_failure == "cancel"]
    others = among.difference(told)
    dooms = dead_dependencies.doomed_after_requeue(mortal, others.union(job.pk for job in again))
    return {pk: verbs.requeued_in_vain(doom) for pk, doom in dooms.items()}


def grant(job_ids: Iterable[int], verb: Verb, asked: ActionRequest) -> dict[int, Decision]:
    """Ask it of those of the jobs that there are, and do what they say; inside the caller's transaction.

    Rows are locked in the order of their ids, as everywhere.
    """
    rows = Job.objects.select_for_update(no_key=True).filter(pk__in=list(job_ids)).order_by("pk")
    jobs = {job.pk: job for job in rows}
    told = decisions(list(jobs.values()), verb, asked)
    granted = {pk: answer for pk, answer in told.items() if answer.changes}
    transitions.apply([answer.move for answer in granted.values() if answer.move])
    _end_suspensions([pk for pk, answer in granted.items() if answer.wakes and jobs[pk].suspended_at is not None])
    _write({pk: answer.columns for pk, answer in granted.items() if answer.columns})
    wishes = {pk: answer.wish for pk, answer in granted.items() if answer.wish}
    _stop(wishes)
    _note(granted, asked.actor)
    _end_unclaimed({pk: wish for pk, wish in wishes.items() if jobs[pk].state == JobState.QUEUED}, asked)
    _notify([jobs[pk] for pk in granted])
    return told


def _gangs_ending(job_ids: Iterable[int]) -> frozenset[int]:
    """Asked once the jobs are locked: another member may have ended while we waited for that."""
    ended = Attempt.objects.filter(job__in=list(job_ids), ended_at__isnull=True).exclude(end_reason="")
    return frozenset(ended.values_list("job_id", flat=True))


def _end_suspensions(job_ids: Sequence[int]) -> None:
    """End a suspension: neither its limit nor the watch for stalls counts the time for which the job stood still."""
    if job_ids:
        still = Now() - F("suspended_at")
        Job.objects.filter(pk__in=job_ids).update(
            suspended_at=None,
            suspended_seconds=F("suspended_seconds") + Extract(still, "epoch"),
            progress_at=ExpressionWrapper(F("progress_at") + still, output_field=DateTimeField()),
        )


def _write(columns: Mapping[int, Mapping[str, object]]) -> None:
    """One statement for all jobs of which the same is written."""
    groups: dict[str, list[int]] = defaultdict(list)
    for pk, values in columns.items():
        groups[repr(sorted(values.items()))].append(pk)
    for job_ids in groups.values():
        Job.objects.filter(pk__in=job_ids).update(**columns[job_ids[0]])


def _stop(wishes: Mapping[int, str]) -> None:
    for wish in sorted(set(wishes.values())):
        Job.objects.filter(pk__in=[pk for pk, one in wishes.items() if one == wish]).update(desired=wish)


def _note(granted: Mapping[int, Decision], actor: str) -> None:
    JobEvent.objects.bulk_create(
        JobEvent(
            job_id=pk, kind=answer.event, message=answer.message[:MESSAGE_LENGTH], data=dict(answer.data), actor=actor
        )
        for pk, answer in granted.items()
        if answer.event
    )


def _end_unclaimed(wishes: Mapping[int, str], asked: ActionRequest) -> None:
    """Close those placements that no agent has claimed; a claim that comes later finds them closed."""
    if not wishes:
        return
    rows = Placement.objects.filter(attempt__job__in=list(wishes), state=PlacementState.PLACED)
    endings = []
    for row in rows.select_related("attempt"):
        reason, message = ENDS_BY[wishes[row.attempt.job_id]]
        ref = PlacementRef(row.pk, str(row.attempt.token))
        words = f"{message.format(asked.actor)} {asked.reason}".strip()
        endings.append(PlacementOutcome(ref, reason, message=words, charged=False))
    completion.finish(endings)


def _notify(jobs: Sequence[Job]) -> None:
    """Their nodes, for those that are on any; else the planner."""
    placed = [job.pk for job in jobs if job.state in PLACED_STATES]
    if placed:
        remote_control.notify(placed)
    if len(placed) < len(jobs):
        publishing.request_cycle()
