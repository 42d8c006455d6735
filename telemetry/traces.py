"""Spans of traces, as values: whoever has done a step of a job's way says so when it is over. Off unless a recorder is in use.

A step may begin in one process and end in another, hours later and after a restart of the one that began it. So a span is told
when it has ended, as a whole, and its id is made from the attempt's token: everybody who knows the attempt knows it.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

PREFIX = "trainyard."
SANE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
NONE = "0" * 16
PLAN, RUN = "plan", "run"
"""Steps below which others are: of an attempt, and of one placement's command."""


@dataclass(frozen=True, slots=True)
class Span:
    """One step, from `start` until `end` in seconds since 1970, below `parent` (a W3C `traceparent`)."""

    name: str
    span_id: str
    parent: str
    start: float
    end: float
    about: Mapping[str, object] = field(default_factory=dict)
    failed: str = ""


class Recorder(Protocol):
    """Where spans go."""

    def record(self, span: Span) -> None: ...

    def flush(self) -> None: ...


class _Nowhere:
    def record(self, span: Span) -> None: ...

    def flush(self) -> None: ...


_recorder: Recorder = _Nowhere()


def use(recorder: Recorder | None) -> None:
    global _recorder  # noqa: PLW0603  one process tells one recorder
    _recorder = recorder or _Nowhere()


def is_on() -> bool:
    return not isinstance(_recorder, _Nowhere)


def record(span: Span) -> None:
    """Nothing of it gets in the way of what it tells of: a recorder queues, and raises nothing."""
    if span.parent:
        _recorder.record(span)


def flush() -> None:
    """Before a process ends without more ado."""
    _recorder.flush()


def begin(incoming: str = "") -> tuple[str, str]:
    """The `traceparent`s of a new span and of what is above it: the caller's, or none. Both empty while traces are off."""
    if not is_on():
        return "", ""
    parent = parent_of(incoming)
    return f"00-{parent.split('-')[1]}-{secrets.token_hex(8)}-01", parent


def parent_of(incoming: str) -> str:
    """What the caller said, if it is a `traceparent`; else that of the root of a new trace."""
    return incoming if SANE.fullmatch(incoming) else f"00-{secrets.token_hex(16)}-{NONE}-01"


def step(traceparent: str, token: str, name: str, rank: int = 0) -> str:
    """The `traceparent` of this step of an attempt, by the one that its job came with; empty where that is."""
    if not traceparent:
        return ""
    digest = hashlib.sha256(f"{token}:{name}:{rank}".encode()).hexdigest()
    return f"00-{traceparent.split('-')[1]}-{digest[:16]}-01"


def span_id(traceparent: str) -> str:
    return traceparent.split("-")[2] if traceparent else ""


def told(
    name: str, of: str, parent: str, times: tuple[float, float], about: Mapping[str, object], *, failed: str = ""
) -> None:
    """Record the span whose own `traceparent` is `of`; those of a job that came while traces were off are not told."""
    if of and is_on():
        known = {f"{PREFIX}{key}": value for key, value in about.items()}
        record(Span(name, span_id(of), parent, *times, known, failed))
