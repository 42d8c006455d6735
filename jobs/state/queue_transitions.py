"""The moves that a person's word makes of a job that is on no node, as values."""

from django.db.models.functions import Coalesce, Now

from jobs.models import Job
from jobs.state.queue_age import back_in_queue
from jobs.state.transitions import Transition
from scheduling.lifecycle import TERMINAL_STATES, EndReason, JobState
from scheduling.reasons import NEW

UNSTARTED = frozenset({JobState.PENDING, JobState.PAUSED})
NOTHING_PROMISED = {
    "promised": False,
    "predicted_start": None,
    "predicted_start_soonest": None,
    "predicted_start_latest": None,
    "floor_start": None,
}
RELEASED = {"held_at": None, "held_by": "", "held_reason": ""}


def cancelled(job: Job, actor: str, reason: str = "") -> Transition:
    """From the line, or paused, to the end."""
    done = f"Cancelled by {actor} before it started." if not job.attempt else f"Cancelled by {actor}."
    message = f"{done} {reason}".strip()
    return Transition(
        job_id=job.pk,
        to=JobState.CANCELLED,
        kind="cancelled",
        expected=UNSTARTED,
        changes={
            "finished_at": Now(),
            "end_reason": EndReason.CANCELLED,
            "message": message,
            "reasons": [],
            "promised": False,
            "out_of_line_since": None,
            **RELEASED,
        },
        message=message,
        actor=actor,
    )


def paused(job: Job, actor: str, reason: str) -> Transition:
    """From the line to paused; a hold stays."""
    return Transition(
        job_id=job.pk,
        to=JobState.PAUSED,
        kind="paused",
        expected=frozenset({JobState.PENDING}),
        changes={"reasons": [], "out_of_line_since": Coalesce("out_of_line_since", Now()), **NOTHING_PROMISED},
        message=reason,
        actor=actor,
    )


def resumed(job: Job, actor: str) -> Transition:
    """From paused to the line; whoever was held is held."""
    return Transition(
        job_id=job.pk,
        to=JobState.PENDING,
        kind="resumed",
        expected=frozenset({JobState.PAUSED}),
        changes={"reasons": [NEW.as_data()], **({} if job.held_at else back_in_queue(job))},
        actor=actor,
    )


def requeued(job: Job, actor: str, reason: str) -> Transition:
    """As if it was new, but for what it has cost and the checkpoints it has written."""
    return Transition(
        job_id=job.pk,
        to=JobState.PENDING,
        kind="requeued",
        expected=TERMINAL_STATES | {JobState.PAUSED},
        changes={
            "reasons": [NEW.as_data()],
            "retries_used": 0,
            "platform_retries_used": 0,
            "not_before": None,
            "node_id": None,
            "exit_code": None,
            "end_reason": "",
            "message": "",
            "root_cause": None,
            "progress": None,
            "said_done": False,
            "progress_at": None,
            "started_at": None,
            "queued_at": None,
            **({} if job.held_at else back_in_queue(job)),
        },
        message=reason,
        actor=actor,
    )
