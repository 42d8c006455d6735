"""The end of an attempt: its placement is closed, its resources are free, and the job ends or goes back in line.

All of it happens in one transaction, or none of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import claims, publishing, transitions
from jobs.claims import Ticket
from jobs.models import Attempt, GpuHold, Job, Placement
from jobs.transitions import MESSAGE_LENGTH, Move
from scheduling.lifecycle import END_SENTENCES, PLACED_STATES, EndReason, JobState, PlacementState
from scheduling.reasons import Reason, ReasonCode
from scheduling.retry import GiveUp, Retry, decide


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ended. `charged` says whether it uses up one of the retries that the job has."""

    ticket: Ticket
    reason: EndReason
    exit_code: int | None = None
    message: str = ""
    started_at: datetime | None = None
    charged: bool = True


@transaction.atomic
def finish(endings: Sequence[Ending]) -> frozenset[int]:
    """Close the attempts behind these endings; returns the placements that were still open.

    An ending whose token is not that of the job's open attempt changes nothing. The next cycle is asked for.
    """
    by_id = {ending.ticket.placement_id: ending for ending in endings}
    rows = _open_rows(by_id)
    _record_starts(rows, by_id)
    moved = transitions.apply([_end_move(row.attempt.job, row, by_id[row.pk]) for row in rows])
    closed = [row for row in rows if row.attempt.job_id in moved]
    for row in closed:
        _close_attempt(row, by_id[row.pk])
    _free([row.pk for row in closed])
    if closed:
        publishing.request_cycle()
    return frozenset(row.pk for row in closed)


def _open_rows(by_id: dict[int, Ending]) -> list[Placement]:
    rows = Placement.objects.filter(pk__in=by_id, closed_at__isnull=True)
    rows = rows.select_related("attempt__job", "node").order_by("pk")
    return [row for row in rows if claims.same_token(row.attempt.token, by_id[row.pk].ticket.token)]


def _record_starts(rows: Iterable[Placement], by_id: dict[int, Ending]) -> None:
    """A command that ended before its start was recorded has run all the same: its history says so."""
    late = [row for row in rows if row.state == PlacementState.CLAIMED and by_id[row.pk].started_at]
    by_node: dict[int, dict[Ticket, datetime]] = {}
    for row in late:
        moment = by_id[row.pk].started_at
        if moment is not None:
            by_node.setdefault(row.node_id, {})[by_id[row.pk].ticket] = moment
    for node_id, moments in by_node.items():
        claims.started(moments, node_id=node_id)


def _end_move(job: Job, row: Placement, ending: Ending) -> Move:
    verdict = _verdict(job, ending)
    message = ending.message or END_SENTENCES[ending.reason]
    if isinstance(verdict, Retry):
        return _retry_move(row, ending, verdict, message)
    return Move(
        job_id=job.pk,
        to=verdict,
        kind=str(verdict),
        expected=PLACED_STATES,
        attempt=row.attempt.number,
        changes={
            "finished_at": Now(),
            "exit_code": ending.exit_code,
            "end_reason": ending.reason,
            "message": message[:MESSAGE_LENGTH],
            "desired": "",
            **({"progress": 1.0} if verdict == JobState.COMPLETED else {}),
        },
        message=message,
        data={"end_reason": ending.reason, "exit_code": ending.exit_code, "node": row.node.name},
    )


def _verdict(job: Job, ending: Ending) -> JobState | Retry:
    """The state in which the job ends, or a retry."""
    if ending.reason == EndReason.COMPLETED:
        return JobState.COMPLETED
    if ending.reason == EndReason.CANCELLED or job.desired == "cancel":
        return JobState.CANCELLED
    if not ending.charged:
        return Retry(delay_seconds=0, platform=True, costs=False)
    decision = decide(
        ending.reason,
        retries_used=job.retries_used,
        max_retries=job.max_retries,
        platform_retries_used=job.platform_retries_used,
        platform_retries=settings.PLATFORM_RETRIES,
    )
    return JobState.FAILED if isinstance(decision, GiveUp) else decision


def _retry_move(row: Placement, ending: Ending, retry: Retry, message: str) -> Move:
    used = "platform_retries_used" if retry.platform else "retries_used"
    again = f"Attempt {row.attempt.number} ended ({ending.reason}); the next one is waiting to be planned."
    return Move(
        job_id=row.attempt.job_id,
        to=JobState.PENDING,
        kind="requeued",
        expected=PLACED_STATES,
        attempt=row.attempt.number,
        changes={
            "reasons": [Reason(ReasonCode.NEW, again).as_data()],
            "not_before": Now() + timedelta(seconds=retry.delay_seconds) if retry.delay_seconds else None,
            "desired": "",
            "node_id": None,
            **({used: F(used) + 1} if retry.costs else {}),
        },
        message=message,
        data={"end_reason": ending.reason, "exit_code": ending.exit_code, "node": row.node.name},
    )


def _close_attempt(row: Placement, ending: Ending) -> None:
    Attempt.objects.filter(pk=row.attempt_id).update(
        ended_at=Now(),
        end_reason=ending.reason,
        exit_code=ending.exit_code,
        message=(ending.message or END_SENTENCES[ending.reason])[:MESSAGE_LENGTH],
    )


def _free(placement_ids: Sequence[int]) -> None:
    GpuHold.objects.filter(placement__in=placement_ids).delete()
    Placement.objects.filter(pk__in=placement_ids).update(
        state=PlacementState.CLOSED, closed_at=Now(), lease_expires_at=None
    )
