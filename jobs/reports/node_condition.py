"""What nodes' heartbeats say of their disks and GPUs, in words for people and in figures for alarms."""

from collections.abc import Mapping
from typing import Any

from workers.models import Node


def disk_full(node: Node) -> bool:
    return _load(node).get("disk_full") is True


def gpus_out(node: Node) -> list[Mapping[str, Any]]:
    """Its GPUs that reported an error of their hardware: `index` and `reason`."""
    return _rows(node, "gpus_out")


def trespasses(node: Node) -> list[Mapping[str, Any]]:
    """Processes on its GPUs that do not belong there: `gpu`, `pid`, `command`, and whether they are `of_a_job`."""
    return _rows(node, "trespasses")


def jobs_can_read(node: Node) -> str:
    """In one line, as its agent said at its start; empty while it is down."""
    return str(_load(node).get("jobs_can_read") or "")


def walls(node: Node) -> list[str] | None:
    """Those around each of its jobs, as its agent said at its start; None of one that says nothing of them."""
    said = _load(node).get("walls")
    return [str(one) for one in said] if isinstance(said, list) else None


def removed_of(said: object) -> dict[str, int]:
    """What a node has removed of deleted jobs since its agent began, as its heartbeats say under `removed`: `folders`, `bytes`."""
    told = said if isinstance(said, Mapping) else {}
    return {name: one if isinstance(one := told.get(name), int) else 0 for name in ("folders", "bytes")}


def sentences(node: Node) -> list[str]:
    """All that there is to know."""
    full = (
        f"Its disk is full, {_load(node).get('disk_free_mb')} MB are left, less than is kept free (TRAINYARD_DISK_RESERVE_MB): it takes nothing new."
        if disk_full(node)
        else ""
    )
    faults = [f"{fault.get('reason')} It gets no work." for fault in gpus_out(node)]
    return list(filter(None, [full, *faults, *map(_foreign_processes, trespasses(node))]))


def _foreign_processes(one: Mapping[str, Any]) -> str:
    whose = "a job that does not hold that GPU" if one.get("of_a_job") else "no job of this node"
    return f"Process {one.get('pid')} ({one.get('command')}) computes on GPU {one.get('gpu')}; it is of {whose}."


def _load(node: Node) -> Mapping[str, Any]:
    return node.load if isinstance(node.load, Mapping) else {}


def _rows(node: Node, name: str) -> list[Mapping[str, Any]]:
    found = _load(node).get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
