"""What PostgreSQL ended so that others in a circle of locks could go on: of it nothing was written, and it is done again."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError
from psycopg.errors import DeadlockDetected

T = TypeVar("T")


def again_after_deadlock(step: Callable[[], T], told: Callable[[], object], *, tries: int, pause: float) -> T:
    """What the step returns, a transaction of its own; `told` is called before each further try, after so many seconds.

    Raises what the step raises, and the last try's deadlock.
    """
    for left in reversed(range(tries)):
        try:
            return step()
        except OperationalError as error:
            if not left or not isinstance(error.__cause__, DeadlockDetected):
                raise
            told()
            time.sleep(pause)
    raise AssertionError  # the last try returns or raises
