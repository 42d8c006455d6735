"""Why a job goes to which node, or went: the strategy, and the nodes it had to choose from."""

from functools import partial

from rich.console import Console, RenderableType

from cli.client.requests import Row
from cli.durations import spell, spell_moment
from cli.views.tables import Column, facts, make_table, plain

BASES = {
    "now": "nodes with room now",
    "empty": "too few nodes have room now: as if nothing ran",
    "decided": "as it was when the job was placed",
}
UNKNOWN = "?"


def placement(console: Console, answer: Row) -> list[RenderableType]:
    """The strategy and its order, then the nodes, the best first."""
    told = answer.get("placement")
    if not told:
        return [plain("Nobody wrote down why it was placed where it was, or it never was.")]
    pairs = [
        ("strategy", plain(f"{told['strategy']} picked {told['picked']}" if told["picked"] else told["strategy"])),
        ("because", plain(told["why"])),
        ("prefers", plain(told["order"])),
        ("nodes", plain(_which(told))),
    ]
    nodes = told["candidates"]
    return [facts(pairs), *([make_table(console, _columns(nodes), nodes)] if nodes else [])]


def _which(told: Row) -> str:
    basis = BASES.get(told["basis"], told["basis"])
    when = f" at {spell_moment(told['at'])}" if told["basis"] == "decided" else ""
    shown = f"{len(told['candidates'])} of {told['able']}, " if told.get("able") else ""
    return f"{shown}{basis}{when}"


def _columns(nodes: list[Row]) -> list[Column]:
    names = [one["name"] for one in nodes[0]["criteria"]]
    scored = [Column("SCORE", lambda one: f"{one['score']:.3f}", right=True)] if names else []
    words = [Column("WHY", lambda one: plain(one["words"]), shrinks=True)] if any(one["words"] for one in nodes) else []
    return [
        Column("NODE", lambda one: plain(one["node"])),
        *scored,
        *(Column(name.upper(), partial(_criterion, name), right=True) for name in names),
        *words,
    ]


def _criterion(name: str, one: Row) -> str:
    """`2h 10m (0.50 x 1)`: what it is, how bad that is, and how much it counts."""
    found = next(part for part in one["criteria"] if part["name"] == name)
    return f"{_value(name, found['value'])} ({found['scaled']:.2f} x {found['weight']:g})"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if name == "speed":
        return spell(value)
    return f"{value:.0%}" if name == "fit" else f"{value:.4g}"
