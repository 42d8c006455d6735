"""The end of an attempt: its placement is closed, its resources are free, and the job ends or goes back in line.

All of it happens in one transaction, or none of it.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.attempts import claims, closing, end_messages, failures, gang_completion, gangs, resource_usage
from jobs.attempts.charge import charge
from jobs.costs import settlement
from jobs.messages import publishing, task_events
from jobs.messages.after_commit import after_commit
from jobs.models import Job, Placement
from jobs.state import transitions
from jobs.state.desired import CANCEL, END_REASONS, PAUSE, PREEMPT, RUN
from jobs.state.outcome import PlacementOutcome, sentence
from jobs.state.transitions import Transition
from scheduling.failures.retry import GiveUp, Retry, RetryBudget, decide
from scheduling.lifecycle import PLACED_STATES, EndReason, JobState
from scheduling.reasons import Reason, ReasonCode
from scheduling.sharing.prices import is_refunded
from telemetry import traces
from telemetry.origin import life

NEEDED_TO_END = (
    "state", "rank", "gpu_indices", "node__name", "attempt__token", "attempt__number", "attempt__created_at",
    "attempt__started_at", "attempt__end_reason", "attempt__exit_code", "attempt__message", "attempt__job__state", "attempt__job__nodes",
    "attempt__saved", "attempt__job__desired", "attempt__job__progress", "attempt__job__said_done", "attempt__job__checkpoint_at",
    "attempt__job__max_retries", "attempt__job__retries_used", "attempt__job__platform_retries_used", "attempt__job__suspended_at",
    "attempt__job__request_id", "attempt__job__traceparent",
)  # fmt: skip
# The start as well, where it was not on record: a short command's start and end are told together.
CLOSE_ATTEMPTS = """
    UPDATE jobs_attempt SET
        ended_at = statement_timestamp(),
        started_at = CASE
            WHEN jobs_attempt.started_at IS NULL AND said.started_at IS NOT NULL
            THEN least(greatest(said.started_at, jobs_attempt.created_at), statement_timestamp())
            ELSE jobs_attempt.started_at
        END,
        end_reason = said.end_reason,
        exit_code = said.exit_code,
        message = said.message,
        saved = said.saved
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::int[], %s::text[], %s::boolean[])
        AS said (attempt_id, started_at, end_reason, exit_code, message, saved)
    WHERE jobs_attempt.id = said.attempt_id
"""
GAVE_WAY = frozenset({EndReason.PREEMPTED, EndReason.PAUSED})
USED = {RetryBudget.OWNER: "retries_used", RetryBudget.PLATFORM: "platform_retries_used"}


@transaction.atomic
def finish(endings: Sequence[PlacementOutcome]) -> frozenset[int]:
    """Close the placements behind these endings; returns those that were still open.

    An attempt is over with its last placement: then the job ends or goes back in line. An ending whose token is not
    that of the job's open attempt changes nothing. The next cycle is asked for.
    """
    began = time.time()
    by_id = {ending.ref.placement_id: ending for ending in endings}
    # 1. Lock the jobs, in the order of ids like everybody, before anything of them is read: what is wished of a job a
    # moment before its end must count, and of a gang's members one must be the last.
    _lock_jobs(by_id)
    # 2. What is still open. An end that is told twice, or by an agent that was given up, finds nothing here.
    rows = _open_rows(by_id)
    # 3. Which attempts are over: of one node with its placement, of a gang with the last member's.
    over, members = _over(rows, by_id)
    # 4. How each ended, in what words, and what becomes of its job. All of it is decided before the first write.
    over = end_messages.with_messages([(row, _effective_outcome(row.attempt.job, ending)) for row, ending in over])
    verdicts = _verdicts(over, by_id)
    # 5. The jobs first: one that does not move, as it has ended otherwise by now, closes nothing either.
    moved = transitions.apply([_end_transition(row, ending, verdicts[row.pk]) for row, ending in over])
    ended = [(row, ending) for row, ending in over if row.attempt.job_id in moved]
    _note_quarantines(ended, verdicts)
    # 6. Attempts, placements and GPUs, which only the holder of the job's lock changes. A gang's members that ended
    # before the last are closed as well: their nodes are free at once.
    _close_attempts([(row.attempt_id, ending) for row, ending in ended])
    alone = {row.pk: ending for row, ending in ended if row.attempt.job.nodes == 1}
    closed = [*(row for row, _ in ended if row.pk in alone), *members]
    priced = closing.free(closed, _charged(by_id | alone))
    resource_usage.record(closed, by_id)
    # 7. What it cost, where anything has a price; of gangs, each member by itself, and refunds with the last of them.
    if priced:
        _settle(priced, ended)
    # 8. The accounts last: all jobs of a user in a project share one row, for which other ends wait until the commit.
    charge(closed)
    # 9. Once it is committed: who watches, and the planner, for the room that is free now.
    _send_task_events(closed, by_id | {row.pk: ending for row, ending in ended}, verdicts)
    if closed:
        after_commit(lambda: _tell(ended, began))
        publishing.request_cycle()
    return frozenset(row.pk for row in closed)


def _over(
    rows: Sequence[Placement], by_id: Mapping[int, PlacementOutcome]
) -> tuple[list[tuple[Placement, PlacementOutcome]], Sequence[Placement]]:
    """The attempts that end with these placements, each by one of them; and the members of gangs that are closed now."""
    over = [(row, by_id[row.pk]) for row in rows if row.attempt.job.nodes == 1]
    if len(over) == len(rows):
        return over, ()
    settled = gang_completion.settle(gangs.among(rows), by_id)
    return [*over, *settled.over], settled.closed


def _lock_jobs(placement_ids: Iterable[int]) -> None:
    """Of the jobs' rows alone, and with no key: whoever adds an event to such a job need not wait for its end."""
    jobs = Job.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    list(jobs.filter(attempts__placements__in=list(placement_ids)).values_list("pk"))


def _open_rows(by_id: dict[int, PlacementOutcome]) -> list[Placement]:
    rows = Placement.objects.filter(pk__in=by_id, closed_at__isnull=True)
    rows = rows.select_related("attempt__job", "node").only(*NEEDED_TO_END).order_by("pk")
    return [row for row in rows if claims.same_token(row.attempt.token, by_id[row.pk].ref.token)]


def _effective_outcome(job: Job, ending: PlacementOutcome) -> PlacementOutcome:
    """How an attempt ended that may have been told to give way.

    Exit code 0 alone says nothing then: many a script ends so when it has written its checkpoint. It has completed if it
    has also said that it is done, unless somebody wants something else of the job by now.
    """
    done = ending.exit_code == 0 and (job.said_done or job.progress == 1)
    if ending.reason in GAVE_WAY and done and job.desired in (PREEMPT, PAUSE, RUN):
        return replace(ending, reason=EndReason.COMPLETED, message="")
    if ending.asked and ending.reason == EndReason.COMPLETED and not (done and job.desired in (PREEMPT, PAUSE)):
        return replace(ending, reason=END_REASONS.get(job.desired, EndReason.PREEMPTED))
    return ending


def _verdicts(
    over: Sequence[tuple[Placement, PlacementOutcome]], by_id: Mapping[int, PlacementOutcome]
) -> dict[int, JobState | Retry | GiveUp]:
    """By placement, what becomes of its job: the state in which it ends, another attempt, or none."""
    before = failures.before(over)
    return {row.pk: _verdict(row, ending, before, by_id) for row, ending in over}


def _verdict(
    row: Placement, ending: PlacementOutcome, before: failures.Before, by_id: Mapping[int, PlacementOutcome]
) -> JobState | Retry | GiveUp:
    job: Job = row.attempt.job
    if ending.reason == EndReason.COMPLETED:
        return JobState.COMPLETED
    if ending.reason == EndReason.CANCELLED or job.desired == CANCEL:
        return JobState.CANCELLED
    # Nothing ran, or its owner wanted the stop: no try of anybody's is used up, and it may start again at once.
    if ending.reason == EndReason.PAUSED or not ending.charged:
        return Retry(0.0, RetryBudget.NOBODY)
    failure = failures.present(row, ending, failures.failed_nodes(row, ending, by_id))
    # The pause before the next attempt varies by it, so that jobs that failed together do not come back together; and
    # is the same whoever computes it.
    seed = f"{job.pk}.{row.attempt.number}"
    return decide(failure, failures.allowance(job), past=before.get(job.pk, ()), seed=seed)


def _end_transition(row: Placement, ending: PlacementOutcome, verdict: JobState | Retry | GiveUp) -> Transition:
    if isinstance(verdict, Retry):
        return _retry_transition(row, ending, verdict)
    state = JobState.FAILED if isinstance(verdict, GiveUp) else verdict
    message = _flush(row.attempt.job, ending, verdict)
    return Transition(
        job_id=row.attempt.job_id,
        to=state,
        kind=str(state),
        expected=PLACED_STATES,
        attempt=row.attempt.number,
        started_at=ending.started_at,
        changes={
            "finished_at": Now(),
            "exit_code": ending.exit_code,
            "end_reason": ending.reason,
            "message": message,
            "desired": "",
            **({"progress": 1.0} if state == JobState.COMPLETED else {}),
        },
        message=message,
        data=_data(row, ending),
    )


def _flush(job: Job, ending: PlacementOutcome, verdict: JobState | GiveUp) -> str:
    """How the last attempt ended; where there might have been another, also why there is none."""
    if not isinstance(verdict, GiveUp) or not (verdict.own_fault_on or job.retries_used or job.platform_retries_used):
        return sentence(ending)
    return f"{sentence(ending).rstrip('.')}. {verdict.sentence}"[: transitions.MESSAGE_LENGTH]


def _is_to_rest(job: Job) -> bool:
    """Whether the job does not go back in line before its owner resumes it.

    That is so for one that is being paused, however its attempt ends; and for a suspended one that loses its place:
    its owner did not want it to run.
    """
    return job.desired == PAUSE or job.suspended_at is not None


def _retry_transition(row: Placement, ending: PlacementOutcome, retry: Retry) -> Transition:
    again = f"Attempt {row.attempt.number} ended ({ending.reason}); the next one is waiting to be planned."
    used = {USED[retry.payer]: F(USED[retry.payer]) + 1} if retry.payer in USED else {}
    rests = _is_to_rest(row.attempt.job)
    return Transition(
        job_id=row.attempt.job_id,
        to=JobState.PAUSED if rests else JobState.PENDING,
        kind="paused" if rests else "requeued",
        expected=PLACED_STATES,
        attempt=row.attempt.number,
        started_at=ending.started_at,
        changes={
            "reasons": [] if rests else [Reason(ReasonCode.NEW, again).as_data()],
            "not_before": Now() + timedelta(seconds=retry.delay_seconds) if retry.delay_seconds else None,
            "desired": "",  # it was wished of the attempt that is over, not of the next one
            "node_id": None,
            "suspended_at": None,
            **({"out_of_line_since": Now()} if rests else {}),
            **used,
        },
        message=sentence(ending),
        data=_data(row, ending) | {"paid_by": retry.payer, "delay_seconds": round(retry.delay_seconds, 1)},
    )


def _data(row: Placement, ending: PlacementOutcome) -> dict[str, Any]:
    saved = {} if ending.saved is None else {"saved": ending.saved}
    return {"end_reason": ending.reason, "exit_code": ending.exit_code, "node": row.node.name, **saved}


def _note_quarantines(
    ended: Sequence[tuple[Placement, PlacementOutcome]], verdicts: Mapping[int, JobState | Retry | GiveUp]
) -> None:
    for row, _ in ended:
        verdict = verdicts[row.pk]
        if isinstance(verdict, GiveUp) and verdict.own_fault_on:
            nodes = list(verdict.own_fault_on)
            transitions.note([row.attempt.job_id], "quarantined", message=verdict.sentence, data={"nodes": nodes})


def _tell(ended: Sequence[tuple[Placement, PlacementOutcome]], began: float) -> None:
    for row, ending in ended:
        job, number = row.attempt.job, row.attempt.number
        ids = {"job": job.pk, "attempt": number, "placement": row.pk, "node": row.node.name, **job.origin.ids}
        life.info("Job %d, attempt %d ended (%s): %s", job.pk, number, ending.reason, sentence(ending), extra=ids)
        plan = traces.step(job.traceparent, str(row.attempt.token), traces.PLAN)
        failed = "" if ending.reason == EndReason.COMPLETED else str(ending.reason)
        about = {"job": job.pk, "attempt": number, "node": row.node.name, "end_reason": str(ending.reason)}
        traces.told(
            "end", traces.step(plan, str(row.attempt.token), "end"), plan, (began, time.time()), about, failed=failed
        )


def _send_task_events(
    closed: Sequence[Placement],
    endings: Mapping[int, PlacementOutcome],
    verdicts: Mapping[int, JobState | Retry | GiveUp],
) -> None:
    begun = [row for row in closed if task_events.was_claimed(row) and row.pk in endings]
    task_events.send([task_events.of_end(row, endings[row.pk], verdicts.get(row.pk)) for row in begun])


def _close_attempts(ends: Sequence[tuple[int, PlacementOutcome]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            CLOSE_ATTEMPTS,
            [
                [attempt_id for attempt_id, _ in ends],
                [ending.started_at for _, ending in ends],
                [ending.reason.value for _, ending in ends],
                [ending.exit_code for _, ending in ends],
                [sentence(ending) for _, ending in ends],
                [ending.saved for _, ending in ends],
            ],
        )


def _charged(endings: Mapping[int, PlacementOutcome]) -> dict[int, str]:
    return {pk: str(ending.reason) for pk, ending in endings.items() if ending.charged}


def _settle(closed: Mapping[int, datetime], ended: Sequence[tuple[Placement, PlacementOutcome]]) -> None:
    settlement.settle(closed)
    failed = {
        row.attempt_id: str(ending.reason)
        for row, ending in ended
        if is_refunded(ending.reason, charged=ending.charged)
    }
    settlement.refund(failed, max(closed.values()))
