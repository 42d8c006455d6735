"""What the platform sends to a node's agent, or to the bridge of a cluster. Each message is parsed here and calls one function of the speaker."""

from typing import Any

from celery import shared_task
from celery.worker.control import control_command

from executors.celery_worker import speaker
from jobs.messages import publishing, remote_control


@shared_task(name=publishing.RUN, Request="executors.celery_worker.run_request:RunRequest")  # type: ignore[call-overload]  # Celery's stubs lack it
def run_placement(placement_id: int, token: str) -> bool:
    """Run one placement; on a node the task lasts as long as the command runs. False: it was not ours to run."""
    return speaker.run_placement(placement_id, token)


@shared_task(name="trainyard.hear", send_events=False)
def queue_probe() -> None:
    """This node's agent hears what is sent to it."""
    speaker.answered()


@control_command(name=remote_control.LOOK)
def refresh(_state: Any) -> None:
    """Ask what is wished of this node's jobs: a remote control command, for speed alone."""
    speaker.refresh()
