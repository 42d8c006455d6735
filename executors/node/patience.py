"""Asking the site again: one that is being restarted is back soon."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings

from executors.node.blob_stream import wait
from executors.node.site import FetchError
from executors.run.placement_run import PlacementRun

log = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0


def patiently(run: PlacementRun, what: str, step: Callable[[], T], progress: Callable[[], int] = int) -> T:
    """Again and again, for a while after the last thing that went well; `what` is it, for the log. Raises FetchError, StoppedError."""
    pause, known, give_up_at = FIRST_PAUSE_SECONDS, progress(), time.monotonic() + settings.CODE_FETCH_SECONDS
    while True:
        try:
            return step()
        except FetchError as error:
            if progress() > known:
                pause, known = FIRST_PAUSE_SECONDS, progress()
                give_up_at = time.monotonic() + settings.CODE_FETCH_SECONDS
            if error.final or time.monotonic() + pause > give_up_at:
                raise
            log.warning("%s job %d did not come, trying again: %s", what, run.claimed.job_id, error)
            wait(run, pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
