"""The end of an attempt: its placement is closed, its resources are free, and the job ends or goes back in line.

All of it happens in one transaction, or none of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import claims, fair_share, gang_endings, gangs, publishing, transitions
from jobs.endings import Ending, sentence
from jobs.models import GpuHold, Job, Placement
from jobs.preemptions import PREEMPT
from jobs.transitions import Move
from scheduling.lifecycle import PLACED_STATES, EndReason, JobState, PlacementState
from scheduling.reasons import Reason, ReasonCode
from scheduling.retry import GiveUp, Retry, decide

NEEDED_TO_END = (
    "state", "rank", "gpu_indices", "node__name", "attempt__token", "attempt__number", "attempt__started_at",
    "attempt__end_reason", "attempt__exit_code", "attempt__message", "attempt__job__state", "attempt__job__nodes",
    "attempt__job__desired", "attempt__job__progress", "attempt__job__max_retries", "attempt__job__retries_used",
    "attempt__job__platform_retries_used",
)  # fmt: skip
CLOSE_ATTEMPTS = """
    UPDATE jobs_attempt SET
        ended_at = statement_timestamp(),
        started_at = coalesce(jobs_attempt.started_at, said.started_at),
        end_reason = said.end_reason,
        exit_code = said.exit_code,
        message = said.message
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::int[], %s::text[])
        AS said (attempt_id, started_at, end_reason, exit_code, message)
    WHERE jobs_attempt.id = said.attempt_id
"""


@transaction.atomic
def finish(endings: Sequence[Ending]) -> frozenset[int]:
    """Close the placements behind these endings; returns those that were still open.

    An attempt is over with its last placement: then the job ends or goes back in line. An ending whose token is not
    that of the job's open attempt changes nothing. The next cycle is asked for.
    """
    by_id = {ending.ticket.placement_id: ending for ending in endings}
    rows = _open_rows(by_id)
    over = [(row, by_id[row.pk]) for row in rows if row.attempt.job.nodes == 1]
    members: Sequence[Placement] = ()
    if len(over) < len(rows):
        gangs.lock_jobs(rows)
        settled = gang_endings.settle(gangs.among(_open_rows(by_id)), by_id)
        over += settled.over
        members = settled.closed
    over = [(row, _judged(row.attempt.job, ending)) for row, ending in over]
    moved = transitions.apply([_end_move(row.attempt.job, row, ending) for row, ending in over])
    ended = [(row, ending) for row, ending in over if row.attempt.job_id in moved]
    _close_attempts([(row.attempt_id, ending) for row, ending in ended])
    closed = [*(row for row, _ in ended if row.attempt.job.nodes == 1), *members]
    _free(closed)
    fair_share.charge(closed)
    if closed:
        publishing.request_cycle()
    return frozenset(row.pk for row in closed)


def _open_rows(by_id: dict[int, Ending]) -> list[Placement]:
    rows = Placement.objects.filter(pk__in=by_id, closed_at__isnull=True)
    rows = rows.select_related("attempt__job", "node").only(*NEEDED_TO_END).order_by("pk")
    return [row for row in rows if claims.same_token(row.attempt.token, by_id[row.pk].ticket.token)]


def _judged(job: Job, ending: Ending) -> Ending:
    """How an attempt ended that may have been told to give way.

    A command that exits with 0 in its grace says that its work is done. It is taken at its word, unless somebody wants
    something else of the job by now, or the job's own progress says that it is not done: many a script exits with 0
    when it has written its checkpoint.
    """
    unfinished = job.progress is not None and job.progress < 1
    if ending.asked and ending.reason == EndReason.COMPLETED and (job.desired != PREEMPT or unfinished):
        return replace(ending, reason=EndReason.PREEMPTED)
    return ending


def _end_move(job: Job, row: Placement, ending: Ending) -> Move:
    verdict = _verdict(job, ending)
    message = sentence(ending)
    if isinstance(verdict, Retry):
        return _retry_move(row, ending, verdict, message)
    return Move(
        job_id=job.pk,
        to=verdict,
        kind=str(verdict),
        expected=PLACED_STATES,
        attempt=row.attempt.number,
        started_at=ending.started_at,
        changes={
            "finished_at": Now(),
            "exit_code": ending.exit_code,
            "end_reason": ending.reason,
            "message": message,
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
        started_at=ending.started_at,
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


def _close_attempts(ends: Sequence[tuple[int, Ending]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            CLOSE_ATTEMPTS,
            [
                [attempt_id for attempt_id, _ in ends],
                [ending.started_at for _, ending in ends],
                [ending.reason.value for _, ending in ends],
                [ending.exit_code for _, ending in ends],
                [sentence(ending) for _, ending in ends],
            ],
        )


def _free(rows: Sequence[Placement]) -> None:
    if any(row.gpu_indices for row in rows):
        GpuHold.objects.filter(placement__in=rows).delete()
    Placement.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=PlacementState.CLOSED, closed_at=Now(), lease_expires_at=None
    )
