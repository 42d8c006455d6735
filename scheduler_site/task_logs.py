"""What a Celery task writes carries the id of the request that led to it; what an agent writes, its node."""

from contextlib import ExitStack
from typing import Any

from celery import signals

from telemetry import subject

_open: dict[str, ExitStack] = {}
"""By the id of a task that runs now. It begins and ends in the same thread."""


def use() -> None:
    signals.task_prerun.connect(_begin, weak=False)
    signals.task_postrun.connect(_end, weak=False)


def _begin(task_id: str, task: Any, **_: Any) -> None:
    request = getattr(task.request, subject.REQUEST_HEADER, None)
    if request:
        stack = _open[task_id] = ExitStack()
        stack.enter_context(subject.about(request_id=request))


def _end(task_id: str, **_: Any) -> None:
    stack = _open.pop(task_id, None)
    if stack is not None:
        stack.close()
