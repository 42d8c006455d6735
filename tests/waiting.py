"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], timeout: float = 10, message: str | Callable[[], str] = "the condition") -> T:
    """The condition's first true value; fails, naming `message`, when there is none within `timeout` seconds.

    What a process said by then is told by a message that is called: a text was made before the wait.
    """
    give_up_at = time.monotonic() + timeout
    pause = 0.01
    while not (value := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {timeout:g} s in vain for {message() if callable(message) else message}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return value
