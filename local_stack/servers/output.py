"""The terminal: every line under the name of the process that wrote it."""

import sys
from typing import TextIO

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
NAME_WIDTH = 10


class PrefixedOutput:
    """Writes `name | line`, each name in its colour when there is a terminal to show it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colours: dict[str, int] | None = {} if self._stream.isatty() else None
        self.closed = False

    def show(self, name: str, line: str) -> None:
        if self.closed or not line.strip():
            return
        try:
            self._stream.write(f"{self._prefix(name)} {line.rstrip()}\n")
            self._stream.flush()
        except OSError:  # the terminal, or the reader of our pipe, is gone
            self.closed = True

    def _prefix(self, name: str) -> str:
        text = f"{name:<{NAME_WIDTH}} |"
        if self._colours is None:
            return text
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\033[{colour}m{text}\033[0m"
