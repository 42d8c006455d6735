"""The terminal: every line under the name of the process that wrote it; or an object a line, for whoever collects them."""

import json
import logging
import sys
from typing import TextIO

from django.conf import settings

from scheduler_site import platform_logs

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
NAME_WIDTH = 10


def make_output() -> "PrefixedOutput":
    """As the setting has it."""
    return JsonOutput(platform_logs.formatter()) if settings.LOG_FORMAT == "json" else PrefixedOutput()


class PrefixedOutput:
    """Writes `name | line`, each name in its colour when there is a terminal to show it."""

    one_object_a_line = False

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colours: dict[str, int] | None = {} if self._stream.isatty() else None
        self.closed = False

    def show(self, name: str, line: str) -> None:
        if self.closed or not line.strip():
            return
        try:
            self._stream.write(f"{self._as_it_is_shown(name, line.rstrip())}\n")
            self._stream.flush()
        except OSError:  # the terminal, or the reader of our pipe, is gone
            self.closed = True

    def _as_it_is_shown(self, name: str, line: str) -> str:
        return f"{self._prefix(name)} {line}"

    def _prefix(self, name: str) -> str:
        text = f"{name:<{NAME_WIDTH}} |"
        if self._colours is None:
            return text
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\033[{colour}m{text}\033[0m"


class JsonOutput(PrefixedOutput):
    """Objects stay as they are, with the name that their process has here; other words, of servers that know no JSON, become objects."""

    one_object_a_line = True

    def __init__(self, formatter: logging.Formatter, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._formatter = formatter

    def _as_it_is_shown(self, name: str, line: str) -> str:
        event = _event(line) or _event(self._formatter.format(logging.makeLogRecord({"name": name, "msg": line}))) or {}
        return json.dumps({**event, "role": name}, ensure_ascii=False)


def _event(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "message" in event else None
