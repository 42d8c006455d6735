"""`trainyard.http.event_stream`, as commands know it."""

from trainyard.http.event_stream import Event, parse_events

__all__ = ["Event", "parse_events"]
