"""Single keys from the terminal, without Enter."""

import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import termios
    import tty
except ImportError:  # Windows: Ctrl-C leaves there, too
    termios = None  # type: ignore[assignment]


@contextmanager
def single_keys() -> Iterator[bool]:
    """Inside, keys arrive at once and unseen. Says whether there is a terminal to read them from."""
    if termios is None or not sys.stdin.isatty():
        yield False
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield True
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def key_within(seconds: float, *, readable: bool) -> str:
    """The key that was pressed within `seconds`, or nothing after them."""
    if not readable:
        time.sleep(seconds)
        return ""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return sys.stdin.read(1) if ready else ""
