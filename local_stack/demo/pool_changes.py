"""The pool beside the sweep, as it grows and shrinks: a line for each change."""

import time
from collections.abc import Callable

from rich.console import Console

from local_stack.demo.rest import DemoRest

POOL = "local"
LOOK_SECONDS = 1.0


class PoolChanges:
    """Tells what has changed since it last looked."""

    def __init__(self, rest: DemoRest, console: Console) -> None:
        self._rest = rest
        self._console = console
        self._names: frozenset[str] = frozenset()

    def look(self) -> None:
        names = frozenset(self._rest.nodes_of_pool(POOL))
        if names != self._names:
            self._console.print(spell(self._names, names), soft_wrap=True)
        self._names = names

    def until_empty(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> bool:
        """Whether all of them have gone within so many seconds."""
        give_up_at = clock() + seconds
        self.look()
        while self._names and clock() < give_up_at:
            time.sleep(LOOK_SECONDS)
            self.look()
        return not self._names


def spell(before: frozenset[str], now: frozenset[str]) -> str:
    """`Pool local grows from 0 to 1: local-1 is up`."""
    if came := sorted(now - before):
        return f"Pool {POOL} grows from {len(before)} to {len(now)}: {', '.join(came)} is up"
    return f"Pool {POOL} shrinks from {len(before)} to {len(now)}: {', '.join(sorted(before - now))} had no job left"
