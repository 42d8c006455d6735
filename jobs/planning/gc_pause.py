"""Python's garbage collector, out of the way of the planner."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No search for cycles meanwhile.

    A picture of 100,000 jobs and its plan are a million objects without a cycle among them; to search them again and
    again while they grow takes several times as long as the planning itself. They go when their last name goes.
    """
    was_on = gc.isenabled()  # pauses may lie inside each other; only the outer one ends it
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
