"""How an attempt ended, in words that say what happened: who wanted it so, and whether its work was saved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.db.models import F

from jobs.models import Job, JobEvent, Placement
from jobs.state.desired import CANCEL
from jobs.state.outcome import PlacementOutcome
from jobs.state.transitions import MESSAGE_LENGTH
from scheduling.lifecycle import END_SENTENCES, EndReason

KINDS = {
    EndReason.CANCELLED: ("cancel_requested",),
    EndReason.PAUSED: ("pause_requested",),
    EndReason.PREEMPTED: ("requeue_requested", "preempt_requested", "idle_requeue_requested"),
    EndReason.STALLED: ("stalled",),
    EndReason.IDLE: ("idle_stop_requested",),
}
"""The events that say who wanted an end of this kind, and why."""
VERBS = {"cancel_requested": "Cancelled", "pause_requested": "Paused", "requeue_requested": "Requeued"}
SAVED_REASONS = frozenset({EndReason.PAUSED, EndReason.PREEMPTED})
STOPPED, KILLED = 143, 137
"""Exit codes of a command that SIGTERM ended, and of one that had to be killed."""
MOMENT = "%Y-%m-%d %H:%M:%S UTC"
Over = Sequence[tuple[Placement, PlacementOutcome]]


def with_messages(over: Over) -> list[tuple[Placement, PlacementOutcome]]:
    """The same endings; those of which nothing was said yet have their words."""
    silent = [row.attempt.job_id for row, ending in over if not ending.message and _reason(row, ending) in KINDS]
    requests = _requests(silent) if silent else {}
    return [(row, _with_message(row, ending, requests.get(row.attempt.job_id, {}))) for row, ending in over]


def _reason(row: Placement, ending: PlacementOutcome) -> EndReason:
    """A cancellation is stronger than any reason before it."""
    wanted = row.attempt.job.desired == CANCEL and ending.reason in KINDS
    return EndReason.CANCELLED if wanted else ending.reason


def _requests(job_ids: Iterable[int]) -> Mapping[int, Mapping[str, JobEvent]]:
    """For each job the last event of each kind since its present attempt was made: what came before was of another one."""
    kinds = [kind for some in KINDS.values() for kind in some]
    rows = JobEvent.objects.filter(job__in=list(job_ids), kind__in=kinds)
    rows = rows.filter(job__attempts__number=F("job__attempt"), at__gte=F("job__attempts__created_at"))
    found: dict[int, dict[str, JobEvent]] = {}
    for event in rows.order_by("id"):
        found.setdefault(event.job_id, {})[event.kind] = event
    return found


def _with_message(row: Placement, ending: PlacementOutcome, requests: Mapping[str, JobEvent]) -> PlacementOutcome:
    reason = _reason(row, ending)
    if ending.message or reason not in KINDS:
        return ending
    told = [requests[kind] for kind in KINDS[reason] if kind in requests]
    why = _why(told[-1]) if told else END_SENTENCES[reason]
    # Only of who was to save its work is it said whether it did: a cancelled job's owner did not ask for that.
    parts = [why, *_of_its_work(row.attempt.job, ending)] if reason in SAVED_REASONS else [why]
    return replace(ending, message=" ".join(parts)[:MESSAGE_LENGTH])


def _why(event: JobEvent) -> str:
    if event.kind in VERBS and event.actor:
        return f"{VERBS[event.kind]} by {event.actor}. {event.message}".strip()
    other = event.data.get("for_job") if isinstance(event.data, dict) else None
    return f"Gave way to job {other}." if other else event.message or "It was told to stop."


def _of_its_work(job: Job, ending: PlacementOutcome) -> list[str]:
    """What is known of how the command took it."""
    words = []
    if ending.exit_code == KILLED:
        words.append("It had not ended when its grace was over, and was killed.")
    elif ending.exit_code not in (None, 0, STOPPED):
        words.append(f"Its command ended with exit code {ending.exit_code}.")
    if ending.saved:
        words.append("A checkpoint was written after the request.")
    elif ending.saved is not None and job.checkpoint_at is not None:
        words.append(
            f"No checkpoint came after the request: work since the last one, {job.checkpoint_at:{MOMENT}}, is lost."
        )
    elif ending.saved is not None:
        words.append("No checkpoint was written: its work is lost.")
    return words
