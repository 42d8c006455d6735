"""The server's answers made short: an agent reads every word, and pays for it."""

from collections.abc import Sequence
from typing import Any

from cli.client.requests import Row

REASONS = CHANGES = 5
NAMES = 10
WORDS = 500
JOB = (
    "id", "name", "project", "queue", "owner", "state", "priority", "position", "node", "predicted_start",
    "estimated_cost", "actual_cost", "created_at", "started_at", "finished_at", "exit_code", "end_reason",
)  # fmt: skip


def picked(row: Row, names: Sequence[str]) -> Row:
    """Those fields of a row that say something."""
    return {name: row[name] for name in names if row.get(name) not in (None, "", [], {})}


def job(row: Row) -> Row:
    """A job in a list."""
    resources = {name: value for name, value in row["resources"].items() if value and name != "node_labels"}
    return {**picked(row, JOB), "resources": resources, "reasons": reasons(row)}


def reasons(row: Row) -> list[Row]:
    """Why it waits: a code, and a sentence with the numbers."""
    return [{"code": one["code"], "sentence": short(one["sentence"])} for one in row["reasons"][:REASONS]]


def outlook(row: Row) -> Row:
    """When it starts, where, and what would have it start now."""
    start = row["predicted_start"] or {}
    changes = [picked(one, ("field", "from", "to", "sentence")) for one in row["changes"][:CHANGES]]
    return {
        **picked(row, ("starts_now", "position", "line_length", "floor_start")),
        "nodes": row["nodes"][:NAMES],
        "predicted_start": picked(start, ("expected", "soonest", "latest", "later_than")),
        "reasons": reasons(row),
        "would_start_now_with": changes,
    }


def short(text: Any) -> str:
    """The text, cut off where it is long."""
    words = str(text)
    return words if len(words) <= WORDS else words[: WORDS - 1] + "…"
