"""Puts right what the books of a job have wrong, and writes into its history what that was and what was done.

A job at a time, judged again under its lock. What a node may still run is left alone until its lease is over: nothing
that runs is given away to somebody else.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from jobs.attempts import closing
from jobs.attempts.charge import charge
from jobs.costs import settlement
from jobs.messages import publishing
from jobs.models import Attempt, GpuHold, Job, Placement
from jobs.recovery import quota_books
from jobs.state import transitions
from jobs.state.desired import CANCEL, PAUSE
from jobs.state.transitions import Transition
from scheduling.lifecycle import PLACED_STATES, EndReason, JobState
from scheduling.reasons import Reason, ReasonCode
from scheduling.sharing.prices import is_refunded
from scheduling.sharing.quota_audit import Finding, JobBooks, Mistake, mistakes

EVENT = "books_mended"
BY_US = "The platform's books contradicted themselves: the attempt was ended."
LOST = frozenset({Mistake.NO_ATTEMPT, Mistake.NO_PLACEMENT})


@transaction.atomic
def mend(job_id: int) -> list[Finding]:
    """What was wrong with the job and is right now; nothing where somebody is at work on it, or a node may still run it."""
    locked = Job.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(pk=job_id).first()
    books = quota_books.jobs(only=job_id) if locked is not None else []
    left = [one for one in quota_books.left_held() if one.job == job_id] if locked is not None else []
    wrong = [finding for one in books for finding in mistakes(one)]
    if locked is None or not (wrong or left) or any(one.leased for one in books):
        return []
    done = [*_release(left), *(step for one in books for step in _mend(locked, one, wrong))]
    if not done:
        return []
    told = [*left, *wrong]
    message = f"{'; '.join(one.sentence for one in told)}. {'; '.join(done)}."
    data = {"mistakes": [one.mistake for one in told], "off": [one.off.gpus for one in told], "done": done}
    transitions.note([job_id], EVENT, message=message[:1].upper() + message[1:], data=data)
    publishing.request_cycle()
    return told


def _mend(job: Job, books: JobBooks, wrong: Sequence[Finding]) -> list[str]:
    """In the order in which one follows from another; says what was done."""
    found = {one.mistake for one in wrong}
    steps: list[str] = []
    if found & {Mistake.AMOUNT, Mistake.GPU_HOLD}:
        steps += _correct(books)
    if found & {Mistake.STALE_ATTEMPT, Mistake.NO_PLACEMENT}:
        steps += _end_attempts(job, books, all_of_them=Mistake.NO_PLACEMENT in found)
    steps += _close(job.pk)
    if found & LOST:
        steps += _out_of_its_place(job)
    return steps


def _release(left: Sequence[Finding]) -> list[str]:
    GpuHold.objects.filter(placement__in=[one.placement for one in left]).delete()
    return [f"the GPUs of placement {one.placement} were given back" for one in left]


def _correct(books: JobBooks) -> list[str]:
    """Each placement as its job asks for it. Which GPUs it has, its node knows by what is held for it."""
    steps = []
    for share in books.shares:
        row = Placement.objects.filter(pk=share.placement, closed_at__isnull=True)
        if (share.cpus, share.memory_mb) != (books.each.cpus, books.each.memory_mb):
            row.update(cpus=books.each.cpus, memory_mb=books.each.memory_mb)
            steps.append(f"placement {share.placement} holds what was asked for")
        if len(share.gpus) != books.each.gpus and len(share.holds) == books.each.gpus:
            row.update(gpu_indices=sorted(share.holds))
            steps.append(f"placement {share.placement} has the GPUs that are held for it")
        elif len(share.gpus) == books.each.gpus and set(share.gpus) != set(share.holds):
            steps += _hold_as_given(share.placement, share.gpus)
    return steps


def _hold_as_given(placement: int, gpus: Sequence[int]) -> list[str]:
    """A GPU that is held for somebody else meanwhile stays theirs: then this is told and no more."""
    row = Placement.objects.get(pk=placement)
    GpuHold.objects.filter(placement=row).exclude(index__in=gpus).delete()
    holds = [GpuHold(placement=row, node_id=row.node_id, index=index) for index in gpus]
    GpuHold.objects.bulk_create(holds, ignore_conflicts=True)
    whole = GpuHold.objects.filter(placement=row).count() == len(gpus)
    return [f"the GPUs of placement {placement} are held for it as they were given"] if whole else []


def _end_attempts(job: Job, books: JobBooks, *, all_of_them: bool) -> list[str]:
    open_ones = Attempt.objects.filter(job=job, ended_at__isnull=True)
    if books.placed and not all_of_them:
        open_ones = open_ones.exclude(number=job.attempt)
    numbers = list(open_ones.values_list("number", flat=True))
    open_ones.update(ended_at=Now(), end_reason=EndReason.PLATFORM_ERROR, message=BY_US)
    return [f"attempt {number} was ended" for number in numbers]


def _close(job_id: int) -> list[str]:
    """What is open of attempts that are over, as of their ends: nobody pays for the time since. A fault of ours is refunded."""
    rows = list(
        Placement.objects.filter(attempt__job=job_id, closed_at__isnull=True, attempt__ended_at__isnull=False)
        .select_related("attempt")
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )
    if not rows:
        return []
    ours = {row.attempt_id: row.attempt.end_reason for row in rows if _is_ours(row.attempt)}
    reasons = {row.pk: row.attempt.end_reason for row in rows if row.attempt_id not in ours}
    priced = closing.free(rows, reasons, {row.pk: row.attempt.ended_at for row in rows if row.attempt.ended_at})
    if priced:
        settlement.settle(priced)
        settlement.refund(ours, max(priced.values()))
    charge(rows)
    return [f"placement {row.pk} was closed as of the end of attempt {row.attempt.number}" for row in rows]


def _is_ours(attempt: Attempt) -> bool:
    return not attempt.end_reason or is_refunded(EndReason(attempt.end_reason), charged=True)


def _out_of_its_place(job: Job) -> list[str]:
    """By its state it has a place, and nothing runs it: it ends as its last attempt did, or goes back in line."""
    move = _move(job, Attempt.objects.filter(job=job, number=job.attempt).values_list("end_reason", flat=True).first())
    return [f"the job is {move.to}"] if transitions.apply([move]) else []


def _move(job: Job, end_reason: str | None) -> Transition:
    ended = {EndReason.COMPLETED: JobState.COMPLETED, EndReason.CANCELLED: JobState.CANCELLED}
    if job.desired == CANCEL or end_reason in ended:
        reason = EndReason.CANCELLED if job.desired == CANCEL else EndReason(str(end_reason))
        changes = {"finished_at": Now(), "end_reason": reason, "desired": "", "message": BY_US}
        return Transition(job.pk, ended[reason], str(ended[reason]), PLACED_STATES, changes=changes, message=BY_US)
    rests = job.desired == PAUSE or job.suspended_at is not None
    again = Reason(
        ReasonCode.NEW, "Its attempt was lost to a mistake in the platform's books; the next one is waiting."
    )
    # Where a node may have run it after all, its shim has stopped it by then.
    not_before = Now() + timedelta(seconds=settings.LEASE_SECONDS + settings.LEASE_MARGIN_SECONDS)
    changes = {
        "reasons": [] if rests else [again.as_data()], "not_before": None if rests else not_before, "desired": "",
        "node_id": None, "suspended_at": None, **({"out_of_line_since": Now()} if rests else {}),
    }  # fmt: skip
    to, kind = (JobState.PAUSED, "paused") if rests else (JobState.PENDING, "requeued")
    return Transition(job.pk, to, kind, PLACED_STATES, changes=changes, message=again.sentence)
