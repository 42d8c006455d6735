"""What the platform wants of a job that is on its nodes: the values of `desired`, and what agents are told."""

from scheduling.lifecycle import EndReason, JobState

CANCEL = "cancel"
REQUEUE = "requeue"
PREEMPT = "preempt"
PAUSE = "pause"
STALL = "stall"
IDLE = "idle"
END = "end"
"""Tells the other members of a gang to stop. What the job's owner wants is stronger."""

SUSPEND = "suspend"
"""Stands in no row: agents are told it of a job that is suspended and of which nothing else is wished."""
RUN = ""
"""The job is to run: one that was suspended goes on."""

END_REASONS = {
    CANCEL: EndReason.CANCELLED,
    REQUEUE: EndReason.PREEMPTED,
    PREEMPT: EndReason.PREEMPTED,
    PAUSE: EndReason.PAUSED,
    STALL: EndReason.STALLED,
    IDLE: EndReason.IDLE,
    END: EndReason.GANG_ENDED,
}
"""What may be wished of a job that is on its nodes so that it ends there, and the reason with which its command then ends."""


def leaves_to(wish: str) -> JobState:
    """Where a job stands once it has stopped by that wish, as far as that is known before: in line again."""
    return {CANCEL: JobState.CANCELLED, PAUSE: JobState.PAUSED}.get(wish, JobState.PENDING)
