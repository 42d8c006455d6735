"""Everything about one machine, on one page."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, RenderableType
from rich.text import Text

from cli.client.requests import Row
from cli.durations import spell_between, spell_moment
from cli.views.jobs import jobs_table
from cli.views.nodes import load_bar, spell_health, spell_state
from cli.views.tables import Column, bar, facts, framed, make_table, plain

MB_PER_GB = 1024


def node_page(console: Console, node: Row, jobs: Sequence[Row], now: datetime) -> list[RenderableType]:
    """The machine's facts, its GPUs with who uses them, and the jobs that hold a place on it."""
    parts: list[RenderableType] = [framed(console, f"node {node['name']}", facts(_facts(node, now)))]
    if node["gpus"]:
        parts.append(framed(console, "GPUs", make_table(console, GPU_COLUMNS, _gpus(node))))
    if jobs:
        parts.append(framed(console, "jobs", jobs_table(console, jobs, now)))
    return parts


def _facts(node: Row, now: datetime) -> list[tuple[str, RenderableType | None]]:
    free, load = node["free"], node.get("load") or {}
    labels = ", ".join(f"{name}={value}" for name, value in sorted((node.get("labels") or {}).items()))
    heard = spell_between(node.get("last_heartbeat_at"), None, now)
    return [
        ("state", spell_state(node)),
        ("health", plain(spell_health(node))),
        ("drain", plain(_drain(node))),
        ("leaves", plain(spell_moment(node["leaves_at"]) if node.get("leaves_at") else "")),
        ("its jobs", plain(node.get("jobs_can_read") or "")),
        ("walls", plain(_walls(node.get("walls")))),
        ("host", plain(node.get("hostname"))),
        ("address", plain(node.get("address"))),
        ("labels", plain(labels)),
        ("CPUs", plain(f"{free['cpus']} of {node['cpus']} free")),
        ("CPU load", load_bar(load.get("cpu_percent"), 100)),
        ("memory", plain(f"{free['memory_gb']:g} of {node['memory_gb']:g} GB free")),
        ("GPUs", plain(f"{free['gpus']} of {len(node['gpus'])} free" if node["gpus"] else "none")),
        ("agent", plain(_agent(node))),
        ("up since", plain(spell_moment(node["registered_at"]) if node.get("registered_at") else "")),
        ("heard of", plain(f"{heard} ago" if heard else "never")),
    ]


def _walls(names: Sequence[str] | None) -> str:
    return "" if names is None else ", ".join(names) or "none"


def _agent(node: Row) -> str:
    spoken = node.get("protocol")
    return ", ".join(filter(None, [node.get("version") or "", "" if spoken is None else f"protocol {spoken}"]))


def _drain(node: Row) -> str:
    drain = node.get("drain")
    if not drain:
        return ""
    until = f", until {spell_moment(drain['deadline'])}" if drain.get("deadline") else ""
    return f"mode {drain['mode']}{until}, {drain['jobs_left']} jobs left"


def _gpus(node: Row) -> list[Row]:
    measured = {one.get("index"): one for one in (node.get("load") or {}).get("gpus") or []}
    return [{**gpu, "load": measured.get(gpu["index"], {})} for gpu in node["gpus"]]


def _utilisation(gpu: Row) -> Text:
    busy = gpu["load"].get("utilisation")
    return bar(None if busy is None else busy / 100)


GPU_COLUMNS = [
    Column("INDEX", lambda gpu: str(gpu["index"]), right=True),
    Column("MODEL", lambda gpu: plain(gpu["model"] or "GPU")),
    Column("MEMORY GB", lambda gpu: f"{gpu['memory_mb'] / MB_PER_GB:.4g}", right=True),
    Column("IN USE", _utilisation),
    Column("", lambda gpu: plain("simulated" if gpu.get("simulated") else "")),
]
