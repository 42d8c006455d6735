"""How a job came to be where it is: each attempt with its beginning and its end, and what was done to the job between them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from operator import itemgetter

from jobs.models import Attempt, Job, JobEvent
from jobs.models.start_prediction import StartPrediction
from jobs.state.outcome import beyond_reason
from scheduling.lifecycle import END_SENTENCES, EndReason, JobState
from scheduling.reasons import listed, spelt

LAST_ATTEMPTS = 20
LAST_EVENTS = 100
PAUSED = "It is paused: it holds nothing, and waits for nothing until somebody resumes it."
SUSPENDED = "It is suspended: it stands still on its node and keeps what it holds until somebody resumes it."
SENTENCES = {
    "requeued": "Put back in line",
    "paused": "Paused",
    "resumed": "Resumed",
    "held": "Held",
    "released": "Released",
}
SINCE = {"requeued": "it was put back in line", "resumed": "it was resumed", "released": "it was released"}
"""From when a job waits for its next attempt, by what put it in line."""
IN_THEIR_OWN_WORDS = frozenset(
    {
        "preempt_requested", "room_promised", "promise_broken", "saves_nothing",
        "migration_requested", "migrated", "migration_failed", "migration_cancelled",
        "gpus_idle", "gpus_idle_advice", "idle_requeue_requested", "idle_stop_requested",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to a job."""

    at: datetime
    sentence: str


def history_of(job: Job) -> tuple[HistoryEntry, ...]:
    """From its submission on, in order: of many attempts and events the last ones."""
    attempts = _last_attempts(job)
    kinds = [*SENTENCES, *IN_THEIR_OWN_WORDS]
    events = list(job.events.filter(kind__in=kinds).order_by("-id")[:LAST_EVENTS])[::-1]
    foretold = {row.attempt: row for row in StartPrediction.objects.filter(job=job)} if attempts else {}
    tried = [told for one in attempts for told in _attempted(job, one, events, foretold)]
    # A node's clock may differ: attempts stay in their order. What ends and what follows from it have one moment: the
    # ends stand first, as a sort keeps the order of equals.
    moments = accumulate((one.at for one in tried), max)
    done = [(one.at, one) for one in _done_to(job, events, attempts)]
    happened = [one for _, one in sorted([*zip(moments, tried, strict=True), *done], key=itemgetter(0))]
    return (
        HistoryEntry(job.created_at, f"Submitted{f' by {job.owner}' if job.owner else ''} to queue {job.queue}."),
        *happened,
        *_now(job, attempts[-1] if attempts else None, happened),
    )


def _last_attempts(job: Job) -> Sequence[Attempt]:
    return list(job.attempts.prefetch_related("placements__node").order_by("-number")[:LAST_ATTEMPTS])[::-1]


def _done_to(job: Job, events: Sequence[JobEvent], attempts: Sequence[Attempt]) -> Iterator[HistoryEntry]:
    """What happened outside attempts, since the first of those that are told."""
    first = attempts[0] if attempts else None
    if first is not None and first.number > 1:
        yield HistoryEntry(first.created_at, f"{first.number - 1} earlier attempts are left out here.")
    rests = job.state == JobState.PAUSED
    paused = next((one.pk for one in reversed(events) if one.kind == "paused"), None) if rests else None
    for event in events:
        if event.pk != paused and (first is None or first.number == 1 or event.at >= first.created_at):
            yield HistoryEntry(event.at, _sentence(event))


def _sentence(event: JobEvent) -> str:
    if event.kind in IN_THEIR_OWN_WORDS:
        return event.message
    by = f" by {event.actor}" if event.actor else ""
    why = f": {event.message}" if event.kind == "held" and event.message else "."
    return f"{SENTENCES[event.kind]}{by}{why}"


def _now(job: Job, last: Attempt | None, happened: Sequence[HistoryEntry]) -> Iterator[HistoryEntry]:
    """The state that it is in, where no attempt tells it."""
    if job.state == JobState.PAUSED:
        yield HistoryEntry(job.out_of_line_since or (happened[-1].at if happened else job.created_at), PAUSED)
    if job.suspended and job.suspended_at is not None:
        yield HistoryEntry(job.suspended_at, SUSPENDED)
    if job.finished_at is not None and not _ended_with(job, last):
        yield HistoryEntry(job.finished_at, f"It was {job.state}. {job.message}".strip())


def _ended_with(job: Job, last: Attempt | None) -> bool:
    """Whether the end of its last attempt was the job's; it may also have been cancelled while it waited for another."""
    if last is None or last.ended_at is None:
        return False
    return job.state != JobState.CANCELLED or job.finished_at is None or last.ended_at >= job.finished_at


def _attempted(
    job: Job, attempt: Attempt, events: Sequence[JobEvent], foretold: Mapping[int, StartPrediction]
) -> Iterable[HistoryEntry]:
    yield HistoryEntry(attempt.created_at, _placed(job, attempt, events))
    if attempt.started_at is not None:
        yield HistoryEntry(
            attempt.started_at, f"Started. {_prediction_check(attempt, foretold.get(attempt.number))}".strip()
        )
    if attempt.ended_at is not None:
        why = END_SENTENCES[EndReason(attempt.end_reason)] if attempt.end_reason else "It ended."
        yield HistoryEntry(attempt.ended_at, f"{why} {beyond_reason(attempt.end_reason, attempt.message)}".strip())


def _placed(job: Job, attempt: Attempt, events: Sequence[JobEvent]) -> str:
    """Where, and how long after it came in line for this attempt."""
    shares = list(attempt.placements.all())
    where = listed(f"{one.node}{_gpus(one.gpu_indices)}" for one in shares) if shares else "a node"
    again = f" Attempt {attempt.number}." if attempt.number > 1 else ""
    before = [one for one in events if one.kind in SINCE and one.at <= attempt.created_at]
    since, what = (before[-1].at, SINCE[before[-1].kind]) if before else (job.created_at, "it was submitted")
    waited = spelt(max(0, round((attempt.created_at - since).total_seconds())))
    return f"Placed on {where}, {waited} after {what}: the first cycle with room for it there.{again}"


def _gpus(indices: Sequence[int]) -> str:
    if not indices:
        return ""
    return f" ({'GPU' if len(indices) == 1 else 'GPUs'} {listed(str(index) for index in indices)})"


def _prediction_check(attempt: Attempt, row: StartPrediction | None) -> str:
    if row is None or attempt.started_at is None:
        return ""
    off = round((attempt.started_at - row.first_expected).total_seconds())
    if abs(off) <= 1:
        return "Just when it was first expected to."
    return f"{spelt(abs(off))} {'later' if off > 0 else 'sooner'} than was first expected."
