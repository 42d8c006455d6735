"""Server-sent events (text/event-stream) from the lines of an answer."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Event(NamedTuple):
    """One event; its kind is `message` unless the server named it."""

    kind: str
    data: str


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events, as they arrive. One that the end of the stream cut off is dropped, as the standard asks."""
    kind, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Event(kind, "\n".join(data))
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
