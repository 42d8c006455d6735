"""What this thread is at work on: each line that is written meanwhile carries the ids, whoever writes it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

IDS = ("job", "attempt", "placement", "node", "pool", "request_id", "trace_id")
"""By these names a line says what it is about: given to a logging call as its `extra`, or to `about`."""
REQUEST_HEADER = "trainyard_request_id"
"""Under which a Celery message carries the id of the request that led to it."""

_subject: ContextVar[Mapping[str, object]] = ContextVar("subject", default=MappingProxyType({}))
_of_process: dict[str, object] = {}


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Until this ends the thread is at work on these as well; what is empty says nothing."""
    token = _subject.set({**_subject.get(), **{name: value for name, value in ids.items() if value not in (None, "")}})
    try:
        yield
    finally:
        _subject.reset(token)


def current() -> Mapping[str, object]:
    return {**_of_process, **_subject.get()}


def request_id() -> str:
    """Of the request that this thread answers, or that led to the message which it handles; empty where there was none."""
    return str(_subject.get().get("request_id", ""))


def process_is(**ids: object) -> None:
    """All lines of this process are about these: the node of an agent."""
    _of_process.update(ids)
