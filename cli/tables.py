"""Tables and frames that read well in a terminal, in a pipe and without colour."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.client import Row
from cli.output import visible

PIPE_WIDTH = 10_000  # nobody looks at a pipe: nothing is cut or wrapped there
BAR_WIDTH = 10

STATE_STYLES = {
    "pending": "yellow",
    "queued": "cyan",
    "assigned": "cyan",
    "running": "bold blue",
    "paused": "magenta",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "dim",
    "up": "green",
    "alive": "green",
    "open": "green",
    "draining": "yellow",
    "unknown": "yellow",
    "down": "red",
    "dead": "red",
}


def make_console(*, stderr: bool = False) -> Console:
    """A console that takes every string literally: names of users are no markup, and no emoji."""
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.file.isatty():
        console.width = PIPE_WIDTH
    return console


def in_pipe(console: Console) -> bool:
    return console.width == PIPE_WIDTH


def plain(text: Any, style: str = "") -> Text:
    """What a user wrote, as it is."""
    return Text("" if text is None else visible(text), style=style)


def coloured_state(state: Any) -> Text:
    return plain(state, STATE_STYLES.get(str(state), ""))


def display(console: Console, *parts: RenderableType) -> None:
    """Print the parts; in a pipe without the blanks that fill up a table's lines."""
    if not in_pipe(console):
        console.print(*parts, sep="\n")
        return
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    console.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its title, what it shows of a row, and how narrow a terminal may be to still show it.

    A column that shrinks is cut with an ellipsis when the terminal is too narrow; the others never are.
    """

    title: str
    cell: Callable[[Row], str | Text]
    from_width: int = 0
    shrinks: bool = False
    right: bool = False


def make_table(console: Console, columns: Sequence[Column], rows: Iterable[Row]) -> Table:
    """The rows as a table, with the columns that the console has room for."""
    piped = in_pipe(console)
    table = Table(box=None if piped else box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1))
    shown = [column for column in columns if column.from_width <= console.width]
    for column in shown:
        table.add_column(column.title, no_wrap=not column.shrinks, justify="right" if column.right else "left")
    for row in rows:
        table.add_row(*(_cell(column, row) for column in shown))
    return table


def _cell(column: Column, row: Row) -> str | Text:
    cell = column.cell(row)
    return Text.assemble(cell, no_wrap=True, overflow="ellipsis") if column.shrinks else cell


def framed(console: Console, title: str, *content: RenderableType) -> RenderableType:
    """The content in a frame with a title; in a pipe, below its title."""
    if in_pipe(console):
        return Group(plain(title), *content)
    return Panel(Group(*content), title=plain(title), title_align="left", border_style="dim")


def facts(pairs: Iterable[tuple[str, RenderableType | None]]) -> Table:
    """Names and values, one a line; what is not known is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and str(value):
            grid.add_row(name, value)
    return grid


def bar(fraction: float | None, *, width: int = BAR_WIDTH, style: str = "blue") -> Text:
    """A bar that is read without colour, and its percentage."""
    if fraction is None:
        return Text("")
    full, empty = ("█", "░") if (sys.stdout.encoding or "").lower().startswith("utf") else ("#", ".")
    filled = round(min(max(fraction, 0), 1) * width)
    return Text.assemble((full * filled, style), (empty * (width - filled), "dim"), f" {fraction:4.0%}")
