"""All that staff want to know of the platform itself. Whatever is away, the rest is told, within two seconds."""

import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django_celery_beat.models import PeriodicTask

from api.v1.system import service_health
from jobs.messages import queue_depths
from jobs.messages.queue_depths import BrokerState
from jobs.reports import system

UNKNOWN = BrokerState("unknown", {}, whole=False)
AWAY = "The broker does not answer."


def report() -> dict[str, Any]:
    began = time.monotonic()
    nodes = system.nodes_in_use()
    known = service_health.services()
    # Asked for more only if it answers at all: to wait for it twice would take too long.
    broker, trouble = _broker(sorted({node.doorbell for node in nodes})) if known["broker"]["ok"] else (UNKNOWN, AWAY)
    return {
        "services": known,
        "versions": system.versions(nodes, broker.version),
        "queues": {
            "detail": trouble,
            "whole": broker.whole,
            "depths": [{"queue": name, "messages": depth} for name, depth in sorted(broker.depths.items())],
        },
        "cycle": system.cycle(),
        "beat": _beat(),
        "sweep": system.sweep(),
        "audits": system.audits(),
        "fleet": system.fleet(nodes),
        "alerts": system.alerts(),
        "database": system.database(),
        "logs": system.log_storage(),
        "pools": system.pools(),
        "clusters": system.clusters(),
        "settings": settings.CHANGED_SETTINGS,
        "taken_ms": round((time.monotonic() - began) * 1000, 1),
    }


def _broker(nodes: Sequence[str]) -> tuple[BrokerState, str]:
    try:
        return queue_depths.ask(nodes), ""
    except Exception as error:  # noqa: BLE001  a client of a broker that is away raises anything
        return UNKNOWN, f"The broker does not say ({type(error).__name__})."


def _beat() -> dict[str, Any]:
    last = PeriodicTask.objects.filter(enabled=True, last_run_at__isnull=False).order_by("-last_run_at").first()
    return {
        "last_tick": last.last_run_at if last else None,
        "task": last.name if last else "",
        "silent": not service_health.readiness()["beat"]["ok"],
        "period_seconds": settings.CYCLE_SECONDS,
    }
