"""The machines, what of them is taken, and how busy they are."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.client.requests import Row
from cli.durations import spell_between
from cli.views.tables import Column, bar, coloured_state, make_table, plain

BUSY, FULL = 0.7, 0.95
MB_PER_GB = 1024


def nodes_table(console: Console, nodes: Iterable[Row], now: datetime) -> Table:
    """One line a machine; `3/8` is taken of all there is, a bar is what the machine measures itself."""
    columns = [
        Column("NODE", lambda node: plain(node["name"])),
        Column("STATE", spell_state),
        Column("JOBS", lambda node: str(node["running"]), right=True),
        Column("CPUS", lambda node: _in_use(node, "cpus", node["cpus"]), right=True),
        Column("CPU LOAD", lambda node: load_bar(_load(node).get("cpu_percent"), 100)),
        Column("GPUS", lambda node: _in_use(node, "gpus", len(node["gpus"])), right=True),
        Column("GPU LOAD", lambda node: load_bar(mean_utilisation(node), 100), yields=1),
        Column("MEMORY GB", lambda node: _in_use(node, "memory_gb", node["memory_gb"]), right=True, yields=2),
        Column("MEMORY USE", _memory_bar, yields=4),
        Column("GPU", lambda node: plain(spell_gpus(node)), yields=5, shrinks=True),
        Column("SEEN", lambda node: _seen(node, now), right=True, yields=3),
        Column("NOTE", lambda node: plain(spell_health(node)), yields=6, shrinks=True),
    ]
    return make_table(console, columns, nodes)


def spell_state(node: Row) -> Text:
    """Its state; when its agent is silent and nobody has taken note of it yet, or hears nothing, that it is so."""
    if node["state"] != "down" and node["liveness"] != "alive":
        return coloured_state(node["liveness"])
    return coloured_state("deaf" if node.get("consuming") is False else node["state"])


def spell_health(node: Row) -> str:
    """What there is to know of it, in the server's words."""
    reasons = (node.get("health") or {}).get("reasons") or []
    skew = node.get("skew") or ""
    return " ".join([*reasons, *([skew] if skew and skew not in reasons else [])])


def load_bar(used: float | None, whole: float | None) -> Text:
    """A share of a whole as a bar: the fuller, the redder."""
    if used is None or not whole:
        return Text("")
    share = used / whole
    return bar(share, style="red" if share >= FULL else "yellow" if share >= BUSY else "green")


def spell_gpus(node: Row) -> str:
    """`4 x NVIDIA H100 (simulated)`."""
    gpus = node["gpus"]
    if not gpus:
        return ""
    models = list(dict.fromkeys(str(gpu.get("model") or "GPU") for gpu in gpus))
    simulated = " (simulated)" if any(gpu.get("simulated") for gpu in gpus) else ""
    return f"{len(gpus)} x {', '.join(models)}{simulated}"


def mean_utilisation(node: Row) -> float | None:
    """How busy its GPUs are on average, in percent."""
    shares = [gpu["utilisation"] for gpu in _load(node).get("gpus") or [] if gpu.get("utilisation") is not None]
    return sum(shares) / len(shares) if shares else None


def _memory_bar(node: Row) -> Text:
    used = _load(node).get("memory_used_mb")
    return load_bar(None if used is None else used / MB_PER_GB, node["memory_gb"])


def _in_use(node: Row, what: str, whole: float) -> str:
    return f"{round(whole - node['free'][what], 1):g}/{round(whole, 1):g}" if whole else ""


def _load(node: Row) -> Row:
    load: Row = node.get("load") or {}
    return load


def _seen(node: Row, now: datetime) -> str:
    silence = spell_between(node.get("last_heartbeat_at"), None, now)
    return f"{silence} ago" if silence else "never"
