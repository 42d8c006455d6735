"""Starting a process beside an attempt's command: the descriptors by which it is spoken to, for whoever has an event loop."""

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.runtime.shim_server import KEPT_ENVIRONMENT

MAIN = Path(__file__).resolve().parent / "main.py"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to run in an attempt's folder; an empty `argv` stands for a shell. `env` comes on top of the job's own variables."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    tty: bool = False
    rows: int = 24
    columns: int = 80


class Companion:
    """One that runs. Descriptors do not block; with a terminal `stdin` and `stdout` are the same and `stderr` is none (-1)."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: int, stdout: int, stderr: int) -> None:
        assert process.stdin is not None  # noqa: S101  both are pipes
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._control = process.stdin
        self.result = process.stdout.fileno()
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    def signal(self, number: int) -> None:
        self._say(f"signal {number}\n")

    def kill(self) -> None:
        """Everything of it, at once."""
        self._say("kill\n")

    def resize(self, rows: int, columns: int) -> None:
        """Of its terminal; the kernel tells the programs in it."""
        if self.stderr < 0:
            set_size(self.stdin, rows, columns)

    def let_go(self) -> None:
        """Nobody is there any more: it hangs up on the command, and kills what is left a second later."""
        if not self._control.closed:
            self._control.close()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Close what is still open of it here."""
        self.let_go()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _say(self, line: str) -> None:
        try:
            self._control.write(line.encode())
        except (OSError, ValueError):  # it has ended
            return


def launch(folder: Path, asked: Asked) -> Companion:
    """Start it beside the command of this attempt's folder. Raises OSError."""
    stdin, stdout, stderr, theirs = terminal(asked) if asked.tty else pipes()
    try:
        process = subprocess.Popen(
            [sys.executable or shutil.which("python3") or "python3", "-I", "-S", "-X", "utf8", str(MAIN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
            pass_fds=sorted({*theirs}),
            start_new_session=True,
        )
    except OSError:
        for fd in {stdin, stdout, stderr} - {-1}:
            os.close(fd)
        raise
    finally:
        for fd in {*theirs}:
            os.close(fd)
    for fd in {stdin, stdout, stderr} - {-1}:
        os.set_blocking(fd, False)
    companion = Companion(process, stdin, stdout, stderr)
    spec = {"folder": str(folder), "argv": list(asked.argv), "env": dict(asked.env), "tty": asked.tty, "fds": theirs}
    companion._say(json.dumps(spec) + "\n")  # noqa: SLF001  its own maker
    os.set_blocking(companion.result, False)
    return companion


def pipes() -> tuple[int, int, int, Sequence[int]]:
    """Our ends of its input and output, and its own three."""
    (in_theirs, in_ours), (out_ours, out_theirs), (error_ours, error_theirs) = os.pipe(), os.pipe(), os.pipe()
    return in_ours, out_ours, error_ours, (in_theirs, out_theirs, error_theirs)


def terminal(asked: Asked) -> tuple[int, int, int, Sequence[int]]:
    ours, theirs = os.openpty()
    set_size(ours, asked.rows, asked.columns)
    return ours, ours, -1, (theirs, theirs, theirs)


def set_size(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
