"""What a notebook shows: tables in HTML, in which nothing that somebody wrote is markup."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Rows = Sequence[Mapping[str, Any]]
COLUMNS = {
    "id": "ID", "name": "NAME", "project": "PROJECT", "queue": "QUEUE", "state": "STATE", "node": "NODE",
    "progress": "PROGRESS", "owner": "OWNER",
}  # fmt: skip
"""Of a list of jobs."""
MOST_ROWS = 200


def table(titles: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table of these cells, each as text."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{escape(_text(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts(title: str, known: Mapping[str, Any]) -> str:
    """What is known of one thing, a line each; what is empty is left out."""
    told = [(name, value) for name, value in known.items() if value not in (None, "", [], {})]
    return f"<strong>{escape(title)}</strong>" + table(("", ""), told)


def jobs(rows: Rows) -> str:
    """A list of jobs, the first of them."""
    shown = table(COLUMNS.values(), ([row.get(name) for name in COLUMNS] for row in rows[:MOST_ROWS]))
    return shown + (f"<p>{len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else "")


class Facts(dict[str, Any]):
    """An answer of the server as it is; in a notebook a table."""

    title = ""

    def _repr_html_(self) -> str:
        return facts(self.title, self)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(one)}" for name, one in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
