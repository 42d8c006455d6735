"""Where the processes of an attempt meet: a port that nobody else has there.

A gang's port is its own on every node, as its members may be anywhere. That of a job on one node is its own on that
machine, whatever agents share it: its processes meet over the loopback.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain

from django.conf import settings

from jobs.models import Attempt
from workers.models import Node

OF_GANGS, OF_ONE_NODE = 500, 2500
"""So many ports from TRAINYARD_GANG_PORT on for gangs, and so many after those for jobs on one node."""
LAST_PORT = 65_535


def of(placed: Iterable[tuple[int, int, Node, bool]]) -> dict[int, int]:
    """A port for each job, given with the number of its attempt, the node of its rank 0 and whether it is a gang.

    It depends on job and attempt, so that a retry does not wait for the port of the attempt before. Where all are taken
    it is shared.
    """
    jobs = list(placed)
    # No lock: only the planner gives ports, and there is one of it.
    taken_by_gangs = _ports_of_gangs() if any(gang for *_, gang in jobs) else set[int]()
    taken = _ports_in_use({node.hostname for _, _, node, gang in jobs if not gang})
    ports = {}
    for job_id, attempt, node, gang in jobs:
        others = taken_by_gangs if gang else taken.setdefault(node.hostname, set())
        ports[job_id] = _first_free(_for_gangs() if gang else _for_one_node(), job_id + attempt - 1, others)
        # What is placed in the same plan is not on record yet.
        others.add(ports[job_id])
    return ports


def _for_gangs() -> range:
    return range(settings.GANG_PORT, settings.GANG_PORT + OF_GANGS)


def _for_one_node() -> range:
    first = settings.GANG_PORT + OF_GANGS
    return range(first, min(first + OF_ONE_NODE, LAST_PORT + 1))


def _first_free(ports: range, start: int, taken: AbstractSet[int]) -> int:
    start %= len(ports)
    line: Iterator[int] = chain(ports[start:], ports[:start])
    return next((port for port in line if port not in taken), ports[start])


def _ports_of_gangs() -> set[int]:
    rows = Attempt.objects.filter(ended_at__isnull=True, master_port__lt=settings.GANG_PORT + OF_GANGS)
    return {port for port in rows.values_list("master_port", flat=True) if port is not None}


def _ports_in_use(machines: AbstractSet[str]) -> dict[str, set[int]]:
    rows = Attempt.objects.filter(ended_at__isnull=True, master_port__gte=settings.GANG_PORT + OF_GANGS)
    taken: dict[str, set[int]] = {}
    if machines:
        there = rows.filter(placements__node__hostname__in=machines).order_by()
        for machine, port in there.values_list("placements__node__hostname", "master_port"):
            taken.setdefault(machine, set()).add(port or 0)
    return taken
