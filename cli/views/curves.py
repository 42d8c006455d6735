"""What a job reported over time, drawn with characters: a line of blocks for each metric, or one metric large."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.client.requests import Row
from cli.views.tables import Column, in_pipe, make_table, plain

BLOCKS, PLAIN_BLOCKS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
GAP = "×"
SPARK_WIDTH = 40
PLOT_HEIGHT, PLOT_WIDTH = 12, 72
AXIS_WIDTH = 12
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a Braille character by column and row: eight dots in the room of a letter."""
BRAILLE = 0x2800


def metrics_table(console: Console, series: Sequence[Row]) -> Table:
    """One line for each metric: its last value, its range, and how it went."""
    columns = [
        Column("METRIC", lambda one: plain(one["name"]), shrinks=True),
        Column("LAST", spell_last, right=True),
        Column("LEAST", lambda one: spell_number(one["minimum"]), right=True, yields=1),
        Column("GREATEST", lambda one: spell_number(one["maximum"]), right=True, yields=1),
        Column("VALUES", lambda one: str(one["count"]), right=True, yields=3),
        Column("COURSE", lambda one: spark(one, SPARK_WIDTH, fine=_fine(console)), yields=2),
    ]
    return make_table(console, columns, series)


def plot(console: Console, one: Row) -> list[RenderableType]:
    """One metric large, over its steps or the time; values that are no numbers are marked below."""
    width = PLOT_WIDTH if in_pipe(console) else max(min(console.width - AXIS_WIDTH - 2, PLOT_WIDTH), 10)
    numbers = [value for value in one["values"] if value is not None]
    if not numbers:
        return [plain(f"{one['name']}: {spell_last(one)}", "bold"), plain("no value is a number")]
    title = (
        f"{one['name']}: {spell_last(one)}, between {spell_number(one['minimum'])} and {spell_number(one['maximum'])}"
    )
    lines = _dots(one, width) if _fine(console) else _stars(one, width)
    labels = {0: spell_number(max(numbers)), len(lines) - 1: spell_number(min(numbers))}
    drawn = [f"{labels.get(row, ''):>{AXIS_WIDTH}} {line}" for row, line in enumerate(lines)]
    begins, ends = spell_place(one, 0), spell_place(one, -1)
    below = [f"{'':{AXIS_WIDTH}} {begins}{ends:>{max(width - len(begins), len(ends) + 1)}}"]
    gaps = [f"{gap['value']} at {spell_place(one, gap['index'])}" for gap in one["gaps"][:3]]
    more = f" and {len(one['gaps']) - 3} more" if len(one["gaps"]) > len(gaps) else ""
    notes = [f"no numbers: {', '.join(gaps)}{more}"] if gaps else []
    return [plain(title, "bold"), *(Text(line) for line in drawn + below), *map(plain, notes)]


def spark(one: Row, width: int, *, fine: bool = True) -> Text:
    """The course in so many characters at most, the mean of each stretch; a stretch with a gap shows the gap."""
    blocks = BLOCKS if fine else PLAIN_BLOCKS
    values = one["values"]
    low, high = one["minimum"], one["maximum"]
    cells = []
    for stretch in _stretches(values, min(width, len(values))):
        numbers = [value for value in stretch if value is not None]
        if len(numbers) < len(stretch):
            cells.append(GAP if fine else "x")
        else:
            level = _fraction(sum(value / len(numbers) for value in numbers), low, high)
            cells.append(blocks[round(level * (len(blocks) - 1))])
    return Text("".join(cells))


def spell_last(one: Row) -> str:
    """Its last value, also if that is no number."""
    return spell_number(one["last"]) if one["last"] is not None else str(one["gaps"][-1]["value"])


def spell_number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def spell_place(one: Row, index: int) -> str:
    """Where on its axis a value lies."""
    if one["axis"] == "step":
        return f"step {one['steps'][index]:,.15g}"
    return f"{datetime.fromtimestamp(one['times'][index], UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _fine(console: Console) -> bool:
    return "utf" in (console.encoding or "").lower()


def _stretches(values: Sequence[float | None], count: int) -> list[list[float | None]]:
    edges = [place * len(values) // count for place in range(count + 1)] if count else []
    return [list(values[start:end]) for start, end in pairwise(edges)]


def _fraction(value: float, low: float, high: float) -> float:
    """Where the value lies between the two, from 0 to 1. In halves, as their difference may be infinite."""
    span = high / 2 - low / 2
    return min(max((value / 2 - low / 2) / span, 0.0), 1.0) if span else 0.5


def _places(one: Row, columns: int, rows: int) -> list[tuple[int, int] | None]:
    """The column and the row, from the top, of each value; None for what is no number."""
    where = one["steps"] if one["axis"] == "step" else one["times"]
    low, high = min(where), max(where)
    return [
        None
        if value is None
        else (
            round(_fraction(position, low, high) * (columns - 1)),
            round((1 - _fraction(value, one["minimum"], one["maximum"])) * (rows - 1)),
        )
        for position, value in zip(where, one["values"], strict=True)
    ]


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The cells from one place to the other, without a hole."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (
            math.floor(start[0] + (end[0] - start[0]) * step / steps + 0.5),
            math.floor(start[1] + (end[1] - start[1]) * step / steps + 0.5),
        )
        for step in range(steps + 1)
    ]


def _drawn(places: Sequence[tuple[int, int] | None]) -> set[tuple[int, int]]:
    """All cells of the line through the places, lifted at gaps."""
    cells = {place for place in places if place is not None}
    for start, end in pairwise(places):
        if start is not None and end is not None:
            cells.update(_line(start, end))
    return cells


def _dots(one: Row, width: int) -> list[str]:
    grid = [[0] * width for _ in range(PLOT_HEIGHT)]
    for x, y in _drawn(_places(one, width * 2, PLOT_HEIGHT * 4)):
        grid[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    return ["".join(chr(BRAILLE + cell) for cell in row).rstrip(chr(BRAILLE)) for row in grid]


def _stars(one: Row, width: int) -> list[str]:
    grid = [[" "] * width for _ in range(PLOT_HEIGHT)]
    for x, y in _drawn(_places(one, width, PLOT_HEIGHT)):
        grid[y][x] = "*"
    return ["".join(row).rstrip() for row in grid]
