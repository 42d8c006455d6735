"""Why a job waits and until when, or how it came to run where it did: the core's answer, with rows that the caller may see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User

from jobs import predictions, queries, snapshots
from jobs.models import Attempt, Job
from jobs.predictions import moment
from jobs.start_rows import StartPrediction
from scheduling.decisions import PlannedReservation
from scheduling.forecast import Forecast
from scheduling.inquiry import Answer, inquire
from scheduling.lifecycle import END_SENTENCES, EndReason, JobState
from scheduling.reasons import Reason, ReasonCode, listed
from scheduling.snapshot import Share, Snapshot
from scheduling.whatif import Change, spelt

REQUEST_PLANS = 40
"""Somebody waits for the answer: a forecast that is not on record is made with so many plans."""
PAUSED = "It is paused: it holds nothing, and waits for nothing until somebody resumes it."
SUSPENDED = "It is suspended: it stands still on its node and keeps what it holds until somebody resumes it."


@dataclass(frozen=True, slots=True)
class Holder:
    """A job that holds what another needs, and when it is expected to end."""

    job: Job
    expected_end: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened to a job."""

    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said to one caller. Of jobs that they may not see, only ids in reasons and their number are told."""

    position: int | None = None
    line_length: int = 0
    starts_now: bool = False
    nodes: tuple[str, ...] = ()  # where it would start now
    reasons: tuple[Reason, ...] = ()
    holders: tuple[Holder, ...] = ()
    other_holders: int = 0
    start: Forecast | None = None
    reservation: PlannedReservation | None = None
    changes: tuple[Change, ...] = ()
    history: tuple[Told, ...] = ()


def explain(job: Job, user: User) -> Explanation:
    """For a job that waits, what it waits for; for any other, what happened to it."""
    if job.state == JobState.PENDING:
        needed = list(job.dependencies.values_list("needs_id", flat=True))
        told = look(snapshots.take(), job.pk, user, predictions.known([job.pk, *needed]))
        if told is not None:
            return replace(told, history=_history(job))
    return Explanation(line_length=queries.line_length(), history=_history(job))


def look(snapshot: Snapshot, job_id: int, user: User, known: dict[int, Forecast] | None = None) -> Explanation | None:
    """What the core says of a waiting job, for this user; None if it does not wait in the snapshot."""
    effort = predictions.effort(len(snapshot.nodes), plans=REQUEST_PLANS)
    answer = inquire(snapshot, snapshot.taken_at, job_id, known, effort)
    return None if answer is None else _for(user, answer)


def _for(user: User, answer: Answer) -> Explanation:
    held_by = {holder for reason in answer.reasons for holder in reason.held_by}
    visible = list(queries.visible_jobs(user).filter(pk__in=held_by).order_by("pk"))
    shares = answer.placement.shares if answer.placement else ()
    return Explanation(
        position=answer.position or None,
        line_length=answer.line_length,
        starts_now=answer.placement is not None,
        nodes=tuple(share.node for share in shares),
        reasons=answer.reasons or (_about_to_start(shares),),
        holders=tuple(Holder(job, moment(answer.ends.get(job.pk))) for job in visible),
        other_holders=len(held_by) - len(visible),
        start=answer.start,
        reservation=answer.reservation,
        changes=answer.changes,
    )


def _about_to_start(shares: Sequence[Share]) -> Reason:
    names = listed(share.node for share in shares)
    return Reason(ReasonCode.NEW, f"There is room for it on {names}: the next scheduling cycle starts it.")


def _history(job: Job) -> tuple[Told, ...]:
    """From its submission to its end, with its last attempt: where it ran, and how long after it was foretold."""
    attempt = job.attempts.prefetch_related("placements__node").last()
    told = [Told(job.created_at, f"Submitted{f' by {job.owner}' if job.owner else ''} to queue {job.queue}.")]
    if attempt is not None:
        told += _attempted(job, attempt)
    if job.state == JobState.PAUSED:
        told.append(Told(job.out_of_line_since or told[-1].at, PAUSED))
    if job.suspended and job.suspended_at is not None:
        told.append(Told(job.suspended_at, SUSPENDED))
    if job.finished_at is not None and (attempt is None or attempt.ended_at is None):
        told.append(Told(job.finished_at, f"It was {job.state}. {job.message}".strip()))
    return tuple(told)


def _attempted(job: Job, attempt: Attempt) -> Iterable[Told]:
    yield Told(attempt.created_at, _placed(job, attempt))
    if attempt.started_at is not None:
        yield Told(attempt.started_at, f"Started. {_as_foretold(job, attempt)}".strip())
    if attempt.ended_at is not None:
        why = END_SENTENCES[EndReason(attempt.end_reason)] if attempt.end_reason else "It ended."
        yield Told(attempt.ended_at, f"{why} {attempt.message}".strip())


def _placed(job: Job, attempt: Attempt) -> str:
    """Where, and after how long."""
    shares = list(attempt.placements.all())
    where = listed(f"{one.node}{_gpus(one.gpu_indices)}" for one in shares) if shares else "a node"
    again = f" Attempt {attempt.number}." if attempt.number > 1 else ""
    waited = spelt(round((attempt.created_at - job.created_at).total_seconds()))
    return f"Placed on {where}, {waited} after it was submitted: the first cycle with room for it there.{again}"


def _gpus(indices: Sequence[int]) -> str:
    if not indices:
        return ""
    return f" ({'GPU' if len(indices) == 1 else 'GPUs'} {listed(str(index) for index in indices)})"


def _as_foretold(job: Job, attempt: Attempt) -> str:
    row = StartPrediction.objects.filter(job=job, attempt=attempt.number).first()
    if row is None or attempt.started_at is None:
        return ""
    off = round((attempt.started_at - row.first_expected).total_seconds())
    if abs(off) <= 1:
        return "Just when it was first expected to."
    return f"{spelt(abs(off))} {'later' if off > 0 else 'sooner'} than was first expected."
