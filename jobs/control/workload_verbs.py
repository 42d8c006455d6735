"""What the jobs of a workload answer to what is asked of the whole: values, made of their rows."""

from dataclasses import replace

from django.db.models.functions import Now

from jobs.control import verbs
from jobs.control.verbs import UNDER_WAY, ActionRequest, Decision, Verb
from jobs.models import Job
from jobs.state.queue_age import back_in_queue
from jobs.state.queue_transitions import NOTHING_PROMISED
from scheduling.lifecycle import TERMINAL_STATES, JobState


def pause(job: Job, asked: ActionRequest) -> Decision:
    """What runs is paused; what waits stays in line, where its workload holds it back, and gains no age."""
    if job.state == JobState.PENDING:
        if job.out_of_line_since is not None:
            return UNDER_WAY
        return Decision(columns={"out_of_line_since": Now(), **NOTHING_PROMISED}, event="held", message=asked.reason)
    return _if_open(verbs.pause, job, asked)


def release(job: Job, asked: ActionRequest) -> Decision:
    """It stands in line again; a hold of its own stays."""
    if job.state != JobState.PENDING or job.held_at is not None or job.out_of_line_since is None:
        return UNDER_WAY
    return Decision(columns=back_in_queue(job), event="released", message=asked.reason)


def cancel(job: Job, asked: ActionRequest) -> Decision:
    return _if_open(verbs.cancel, job, asked)


def cancel_because_of(root: int) -> Verb:
    """Cancels, with the job on record at whose failure it is."""

    def verb(job: Job, asked: ActionRequest) -> Decision:
        told = cancel(job, asked)
        return replace(told, columns={**told.columns, "root_cause": root}) if told.changes else told

    return verb


def _if_open(verb: Verb, job: Job, asked: ActionRequest) -> Decision:
    """Of the whole it is asked without knowing how each job stands: one that has ended refuses nothing."""
    return UNDER_WAY if job.state in TERMINAL_STATES else verb(job, asked)
