"""Staying until something is over, and showing a person who watches how far it is."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from trainyard.errors import WaitTimeoutError
from trainyard.http.patience import Patience
from trainyard.http.requests import Row

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, GROWTH = 0.2, 2.0, 1.3
Show = Callable[["Standing"], None]


class Standing(NamedTuple):
    """How far something is: in words, and as a part of 1 if that is known."""

    words: str
    progress: float | None = None


def wait(
    ask: Callable[[], Row],
    over: Callable[[Row], bool],
    standing: Callable[[Row], Standing],
    *,
    timeout: float | None = None,
    progress: bool | None = None,
) -> Row:
    """The answer with which it is `over`; through a server's restart. Raises `WaitTimeoutError`."""
    began, pause, patience = time.monotonic(), FIRST_PAUSE_SECONDS, Patience()
    row = ask()
    with _shown(progress) as show:
        while True:
            show(standing(row))
            if over(row):
                return row
            left = None if timeout is None else timeout - (time.monotonic() - began)
            if left is not None and left <= 0:
                raise WaitTimeoutError(f"after {timeout:g} seconds: still {standing(row).words}.")
            time.sleep(pause if left is None else min(pause, left))
            pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
            row = patience.ask(ask)


@contextmanager
def _shown(wanted: bool | None) -> Iterator[Show]:
    """A live bar at a terminal or in a notebook; where there is neither, lines if they are wanted."""
    bar = _bar() if wanted is not False else None
    if bar is not None:
        with bar:
            task = bar.add_task("", total=None)
            yield lambda seen: bar.update(
                task, description=seen.words, completed=seen.progress or 0, total=seen.progress and 1
            )
    elif wanted:
        said = ""

        def say(seen: Standing) -> None:
            nonlocal said
            if seen.words != said:
                said = seen.words
                print(said, file=sys.stderr, flush=True)

        yield say
    else:
        yield lambda _: None


def _bar() -> Any:
    """None where nobody would see it, or where rich is not installed."""
    with suppress(ImportError):
        from rich.console import Console  # noqa: PLC0415  loaded for somebody who watches alone
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        console = Console(stderr=True)
        if console.is_jupyter or console.is_terminal:
            words = TextColumn("{task.description}", markup=False)
            return Progress(SpinnerColumn(), words, BarColumn(), TimeElapsedColumn(), console=console, transient=True)
    return None
