"""Stopping when told to: Trainyard sends SIGTERM, waits for a checkpoint to be written, and lets the job go on later."""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any, TypeVar

from trainyard import resumes
from trainyard.agreement import Agreement

Item = TypeVar("Item")

STOPPED = 128 + signal.SIGTERM
"""The exit code of a script that stopped because it was told to. With 0 it would say that its work is done."""
TOLD_WITHIN_SECONDS = 10.0
"""All processes of a job are told to stop within this time, on whichever node they are."""


class StopRequest:
    """Remembers that SIGTERM came, from when it first listens. What listened before is still called."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._before: Any = None
        self._told: list[mmap.mmap] = []  # shared with children that are forked: ours, our parent's, and so on

    @property
    def came(self) -> bool:
        """Whether this process has been told, or the one that forked it: only that one gets the signal."""
        return any(told[0] for told in self._told)

    @property
    def listens(self) -> bool:
        return self._process == os.getpid() and threading.current_thread() is threading.main_thread()

    def listen(self) -> None:
        """Signals reach the main thread alone: in another one this does nothing."""
        if self._process == os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        if self._process is None:
            import_module("multiprocessing.util").register_after_fork(self, StopRequest._as_child)
        self._process = os.getpid()
        self._told = [mmap.mmap(-1, 1), *self._told]
        before = signal.signal(signal.SIGTERM, self.note)
        if before != self.note:
            self._before = before

    def _as_child(self) -> None:
        """A child of multiprocessing, say one that loads data, leaves our process group: launchers signal groups.

        It must outlast the item in work; we end it when we end.
        """
        if os.environ.get("TRAINYARD_JOB_ID"):
            with suppress(OSError):
                os.setpgid(0, 0)

    def note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A forked child, say one that loads data: it has nothing to save, and who stops it waits for its end.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._told[0][0] = 1
        _ignore_lost_loaders()
        resumes.clear()
        if callable(self._before):
            self._before(number, frame)


def _ignore_lost_loaders() -> None:
    """From now on torch does not raise in the middle of a step when a process that loads data has ended."""
    with suppress(Exception):
        if getattr(signal.getsignal(signal.SIGCHLD), "__module__", "").startswith("torch.utils.data"):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


request = StopRequest()


def listen_alone() -> None:
    """Listen again, and what a framework has put in our place since then is not called."""
    request.listen()
    if request.listens:
        signal.signal(signal.SIGTERM, request.note)


def preempted() -> bool:
    """Whether this process has been told to stop. Ask for the first time early: from then on SIGTERM does not end it."""
    request.listen()
    return request.came


def stoppable(items: Iterable[Item], save: Callable[[], object] | None = None) -> Iterator[Item]:
    """The items, until the process is told to stop: then, between two of them, `save` is called and the process exits.

    It exits with `STOPPED`. The item in work is always finished, so `save` finds everything as at the end of an item;
    told during the last one, there is nothing left to stop. Processes that train together by `torch.distributed` stop
    after the same item, each with its own `save`: all of them must go through `stoppable`, and through as many items.
    """
    request.listen()
    return _until_stopped(items, save)


def _until_stopped(items: Iterable[Item], save: Callable[[], object] | None) -> Iterator[Item]:
    agreement = Agreement()
    for number, item in enumerate(_whole(items, save)):
        if number:
            resumes.went_on()
        if agreement.stops(request.came):
            stop(save)
        yield item
    agreement.end(request.came)


def _whole(items: Iterable[Item], save: Callable[[], object] | None) -> Iterator[Item]:
    """The items. Of a process that has been told to stop it is no fault when no more of them come."""
    try:
        yield from items
    except Exception:
        if not request.came:
            raise
        stop(save)


def stop(save: Callable[[], object] | None) -> None:
    """Save and exit."""
    if save is not None:
        save()
    exit_stopped()


def exit_stopped() -> None:
    """Exit as one that was told to.

    Who knows it from another process is told in a moment: to exit before that would look like a failure of its own.
    """
    give_up = time.monotonic() + TOLD_WITHIN_SECONDS
    while not request.came and time.monotonic() < give_up:
        time.sleep(0.05)
    raise SystemExit(STOPPED)
