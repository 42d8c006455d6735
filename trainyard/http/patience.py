"""Staying through a server's restart."""

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from trainyard.errors import OutOfReachError

log = logging.getLogger("trainyard")
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

SECONDS = 120.0
"""How long a server may be out of reach before we give up: long enough to restart it."""
PAUSE_SECONDS = 1.0


class Patience:
    """Counts how long the server has been silent, and has the user told once."""

    def __init__(self, seconds: float = SECONDS, *, tell: Callable[[str], None] = log.warning) -> None:
        self._seconds = seconds
        self._tell = tell
        self._silent_since: float | None = None

    def answered(self) -> None:
        """The server is there: a later silence is a new one."""
        self._silent_since = None

    def wait(self, silence: OutOfReachError) -> None:
        """Pause before asking again; raises `silence` when it has lasted too long."""
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
            self._tell(f"{silence} Asking again for {self._seconds:g} seconds.")
        if now - self._silent_since >= self._seconds:
            raise silence
        time.sleep(PAUSE_SECONDS)

    def ask(self, question: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        """The answer to `question(*args)`, as soon as the server gives one."""
        while True:
            try:
                answer = question(*args, **kwargs)
            except OutOfReachError as silence:
                self.wait(silence)
            else:
                self.answered()
                return answer
