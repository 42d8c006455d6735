"""The services that the platform consists of, and whether each does its work."""

from typing import Any

from django.core.cache import cache

from api.v1 import health

WELL = {"ok": True, "detail": health.WORKS}
CONTROL = ("planner", "recovery")
"""What shows that the control worker is at work: cycles and sweeps come in time."""


def readiness() -> dict[str, dict[str, Any]]:
    """As `/readyz` has it: however often somebody asks, the servers are asked once a second."""
    parts = cache.get("readyz")
    if parts is None:
        parts = health.readiness()
        cache.set("readyz", parts, health.REMEMBERED_SECONDS)
    return parts


def services() -> dict[str, dict[str, Any]]:
    """By name. Whoever reads this was answered by `web`."""
    parts = readiness()
    ill = [parts[name] for name in CONTROL if not parts[name]["ok"]]
    known = {name: parts[name] for name in ("database", "broker", "beat", "agents")}
    return {"web": WELL, **known, "control": ill[0] if ill else WELL}
