"""Tables and frames that read well in a terminal, in a pipe and without colour."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.client.requests import Row
from cli.output import visible

PIPE_WIDTH = 10_000  # nobody looks at a pipe: nothing is cut or wrapped there
BAR_WIDTH = 10
GAP = 2
LEAST_SHRUNK = 20
FRAME = 4

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
    "now": "bold blue",
    "ahead": "cyan",
    "down": "red",
    "dead": "red",
    "deaf": "red",
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


def coloured_state(state: Any, words: str = "") -> Text:
    """The state in its colour; with `words`, these in its place."""
    return plain(words or state, STATE_STYLES.get(str(state), ""))


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
    """One column of a table: its title and what it shows of a row.

    Where a terminal is too narrow, columns that shrink are cut with an ellipsis, down to a width that still says
    something; then columns are left out, the one that yields most first. All others are always whole.
    """

    title: str
    cell: Callable[[Row], str | Text]
    yields: int = 0
    shrinks: bool = False
    right: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A column and what it shows, row by row."""

    column: Column
    cells: list[Text]

    @property
    def width(self) -> int:
        return max(cell_len(self.column.title), *(cell.cell_len for cell in self.cells), 0)

    @property
    def least_width(self) -> int:
        return min(self.width, LEAST_SHRUNK) if self.column.shrinks else self.width


def make_table(console: Console, columns: Sequence[Column], rows: Iterable[Row]) -> Table:
    """The rows as a table, with the columns that the console has room for; also within a frame."""
    known = list(rows)
    filled = [Filled(column, [_cell(column, row) for row in known]) for column in columns]
    shown = _fitting(filled, console.width - FRAME)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for one in shown:
        justify: JustifyMethod = "right" if one.column.right else "left"
        table.add_column(one.column.title, no_wrap=not one.column.shrinks, justify=justify)
    for number in range(len(known)):
        table.add_row(*(one.cells[number] for one in shown))
    return table


def _fitting(filled: Sequence[Filled], width: int) -> list[Filled]:
    shown = list(filled)
    while sum(one.least_width + GAP for one in shown) - GAP > width:
        first_to_go = max(shown, key=lambda one: one.column.yields)
        if not first_to_go.column.yields:
            break
        shown.remove(first_to_go)
    return shown


def _cell(column: Column, row: Row) -> Text:
    return Text.assemble(column.cell(row), no_wrap=column.shrinks, overflow="ellipsis" if column.shrinks else None)


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
