"""What a Celery task writes carries the id of the request that led to it; what an agent writes, its node."""

import threading
from contextlib import ExitStack
from typing import Any

from celery import signals

from telemetry import subject


class Open(threading.local):
    """The tasks that this thread is at work on: one begins and ends in the same thread, and its message may come twice at once."""

    def __init__(self) -> None:
        self.stacks: list[ExitStack] = []


_open = Open()


def use() -> None:
    signals.task_prerun.connect(_begin, weak=False)
    signals.task_postrun.connect(_end, weak=False)


def _begin(task: Any, **_: Any) -> None:
    stack = ExitStack()
    request = getattr(task.request, subject.REQUEST_HEADER, None)
    if request:
        stack.enter_context(subject.about(request_id=request))
    _open.stacks.append(stack)


def _end(**_: Any) -> None:
    if _open.stacks:
        _open.stacks.pop().close()
