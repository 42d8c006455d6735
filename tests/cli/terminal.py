"""A command on a terminal, as a person would use it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2]
SECONDS = 20
# A shell that starts the tests in the background has them ignore Ctrl-C, and so would all that they start.
COMMAND = "import cli.main, signal; signal.signal(signal.SIGINT, signal.default_int_handler); cli.main.main()"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a process of its own, on a terminal of so many columns; `written` is all that came."""

    def __init__(self, *words: Any, columns: int = 80) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM")
        environ = {name: value for name, value in os.environ.items() if name not in unset}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *map(str, words)],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**environ, "TERM": "xterm-256color", "PYTHONPATH": str(SOURCE)},
        )
        self.written = ""

    def read_until(self, text: str) -> None:
        give_up = time.monotonic() + SECONDS
        while text not in self.written:
            assert time.monotonic() < give_up, self.written
            self._read()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """The exit code, once all that was written has been read."""
        give_up = time.monotonic() + SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < give_up, self.written
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._theirs)[3] & termios.ECHO)

    def lines(self) -> list[str]:
        """What can be read on the screen."""
        return ESCAPES.sub("", self.written).splitlines()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self) -> bool:
        ready = select.select([self._ours], [], [], 0.1)[0]
        data = os.read(self._ours, 65536) if ready else b""
        self.written += data.decode(errors="replace")
        return bool(data)
