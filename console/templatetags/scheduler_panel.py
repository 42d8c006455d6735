"""The panel on the admin's first page: is the planner alive, how long is the line, how full is the fleet."""

from datetime import timedelta
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Count
from django.db.models.functions import Now

from jobs.models import Cycle, Job
from jobs.planning import policy_settings
from jobs.state import alerts
from scheduling.lifecycle import ACTIVE_STATES, JobState
from workers.models import Node
from workers.queries import in_use, nodes_now

register = template.Library()
LATE_AFTER_CYCLES = 3


@register.inclusion_tag("console/scheduler_panel.html")
def scheduler_panel() -> dict[str, Any]:
    """The last cycle, the unfinished jobs by state and the nodes by liveness, in five queries."""
    cycle: Any = Cycle.objects.annotate(now=Now()).defer("line").first()
    rebalancing = policy_settings.in_force()["rebalancing"]
    age = cycle.now - cycle.started_at if cycle and cycle.started_at else None
    return {
        "cycle": cycle,
        "rebalancing": rebalancing,
        "proposals": cycle.proposals if cycle and rebalancing != "off" else [],
        "alerts": alerts.active(),
        "age": "never" if age is None else f"{max(0.0, age.total_seconds()):,.0f} s ago",
        "late": is_late(age),
        "period": f"{settings.CYCLE_SECONDS:g}",
        "states": unfinished(),
        "nodes": nodes(),
    }


def is_late(age: timedelta | None) -> bool:
    """A planner that skipped three cycles, or never made one, needs somebody to look."""
    return age is None or age > timedelta(seconds=LATE_AFTER_CYCLES * settings.CYCLE_SECONDS)


def unfinished() -> list[tuple[str, int]]:
    rows = Job.objects.filter(state__in=sorted(ACTIVE_STATES)).order_by().values("state").annotate(count=Count("pk"))
    counts = {row["state"]: row["count"] for row in rows}
    return [(state.value, counts.get(state, 0)) for state in JobState if state in ACTIVE_STATES]


def nodes() -> list[tuple[str, int]]:
    """Nodes by liveness; those that said goodbye are down, and nobody need look for them."""
    counts = dict.fromkeys([*Node.Liveness.values, Node.State.DOWN.value], 0)
    found: list[Any] = list(in_use(nodes_now()).only("last_heartbeat_at", "state"))
    for node in found:
        counts[node.state if node.state == Node.State.DOWN else node.liveness(node.now)] += 1
    return list(counts.items())
