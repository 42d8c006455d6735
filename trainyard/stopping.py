"""Stopping when told to: Trainyard sends SIGTERM, waits for a checkpoint to be written, and lets the job go on later."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

Item = TypeVar("Item")

STOPPED = 128 + signal.SIGTERM
"""The exit code of a script that stopped because it was told to. With 0 it would say that its work is done."""


class StopRequest:
    """Remembers that SIGTERM came, from when it first listens. What listened before is still called."""

    def __init__(self) -> None:
        self.came = False
        self._process: int | None = None
        self._before: Any = None

    def listen(self) -> None:
        """Signals reach the main thread alone: in another one this does nothing."""
        if self._process is None and threading.current_thread() is threading.main_thread():
            self._process = os.getpid()
            self._before = signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A forked child, say one that loads data: it has nothing to save, and who stops it waits for its end.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.came = True
        if callable(self._before):
            self._before(number, frame)


request = StopRequest()


def preempted() -> bool:
    """Whether this process has been told to stop. Ask for the first time early: from then on SIGTERM does not end it."""
    request.listen()
    return request.came


def stoppable(items: Iterable[Item], save: Callable[[], object] | None = None) -> Iterator[Item]:
    """The items, until the process is told to stop: then, between two of them, `save` is called and the process exits.

    It exits with `STOPPED`. The item in work is always finished, so `save` finds everything as at the end of an item;
    told during the last one, there is nothing left to stop.
    """
    request.listen()
    return _until_told(items, save)


def _until_told(items: Iterable[Item], save: Callable[[], object] | None) -> Iterator[Item]:
    for item in items:
        if request.came:
            if save is not None:
                save()
            raise SystemExit(STOPPED)
        yield item


def latest_checkpoint(pattern: str = "*") -> str | None:
    """The newest file or folder in TRAINYARD_CHECKPOINT_DIR whose name matches, None if there is none."""
    folder = os.environ.get("TRAINYARD_CHECKPOINT_DIR")
    found = sorted(Path(folder).glob(pattern), key=lambda path: path.stat().st_mtime) if folder else []
    return str(found[-1]) if found else None
