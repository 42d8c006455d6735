import io

import pytest
from rich.console import Console

from cli.output import visible
from cli.views.tables import Column, bar, make_table

COLUMNS = [
    Column("ID", lambda row: str(row["id"]), right=True),
    Column("NAME", lambda row: row["name"], shrinks=True),
    Column("QUEUE", lambda _: "default", yields=2),
    Column("NODE", lambda _: "gpu-node-01", yields=1),
]


def drawn(width, *rows):
    paper = io.StringIO()
    console = Console(file=paper, width=width, markup=False)
    console.print(make_table(console, COLUMNS, rows))
    return paper.getvalue().splitlines()


def row(name, job_id=123456):
    return {"id": job_id, "name": name}


def test_a_wide_terminal_shows_every_column_in_full():
    header, line = drawn(80, row("n" * 40))

    assert header.split() == ["ID", "NAME", "QUEUE", "NODE"]
    assert "n" * 40 in line


def test_a_column_that_shrinks_is_cut_before_others_are_left_out():
    header, line = drawn(60, row("n" * 40))

    assert "NODE" in header
    assert "…" in line


@pytest.mark.parametrize(("width", "titles"), [(50, ["ID", "NAME", "NODE"]), (36, ["ID", "NAME"])])
def test_the_column_that_yields_most_goes_first(width, titles):
    header, line = drawn(width, row("n" * 40))

    assert header.split() == titles
    assert "123456" in line


def test_a_short_name_leaves_room_for_the_others():
    header, _ = drawn(50, row("short"))

    assert header.split() == ["ID", "NAME", "QUEUE", "NODE"]


def test_wide_characters_are_measured_as_they_are_shown():
    _, line = drawn(36, row("模" * 40))

    assert "123456" in line


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "░░░░░░░░░░   0%"), (0.42, "████░░░░░░  42%"), (1, "██████████ 100%"), (1.7, "██████████ 170%"), (None, "")],
)
def test_a_bar_is_read_without_colour(fraction, text):
    assert bar(fraction).plain == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  b\nc", "a b c"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("größe 模型", "größe 模型"),
    ],
)
def test_nothing_that_plays_tricks_reaches_the_terminal(text, shown):
    assert visible(text) == shown
