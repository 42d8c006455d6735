"""One look at one pool: what it is to have, what there is, and what is done about the difference.

Everything is judged by what is there, nothing is remembered: whoever is killed in the middle is followed by one that finds
the rest, gives back what was drained for nothing, and asks for the same nodes by the same names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from jobs.control import pool_draining
from jobs.control.pool_draining import PoolNode
from local_stack.autoscaler.actuator import Actuator
from workers.models import NodePool


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of nodes that were asked to come, to go, to stay after all, and to let their jobs move."""

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.up or self.down or self.kept or self.emptied)


def reconcile(pool: NodePool, actuator: Actuator) -> Changes:
    """Bring the pool nearer to its `desired_nodes`. Raises ActuatorError; what was done until then stays done."""
    desired = pool.desired_nodes or 0
    there = actuator.members()
    nodes = pool_draining.pool_nodes(pool.name)
    _forget_gone(nodes, there)
    here = [name for name, going in there.items() if not going]
    surplus = [name for name in here if name in nodes and nodes[name].surplus]
    staying = [name for name in here if name not in nodes or not nodes[name].cordoned]
    kept = _keep(_to_keep(surplus, nodes, desired - len(staying)))
    missing = desired - len(staying) - len(kept)
    new = _new_names(pool, there, min(missing, pool.max_nodes - len(there)))
    if new:
        actuator.up(new)
    withdrawn = actuator.withdraw(-missing) if missing < 0 else ()
    idle = set(pool.idle_nodes).intersection(staying)
    most = -missing - len(withdrawn)
    drained = pool_draining.drain_idle(idle, most) if most > 0 and idle else []
    leaving = [name for name in surplus if name not in kept and not (nodes[name].emptied and nodes[name].jobs)]
    down = [*leaving, *drained]
    if down:
        actuator.down(down)
    emptied = pool_draining.consolidate(pool) if pool.emptying and not (missing or down or kept) else None
    return Changes(tuple(new), (*withdrawn, *down), tuple(kept), (emptied,) if emptied else ())


def _to_keep(surplus: Sequence[str], nodes: Mapping[str, PoolNode], missing: int) -> list[str]:
    """Those that were to go and have got a job all the same; and before new ones come, those that have not gone yet.

    One that is being emptied has jobs that leave.
    """
    busy = [name for name in surplus if nodes[name].jobs and not nodes[name].emptied]
    idle = [name for name in surplus if not nodes[name].jobs]
    return busy + idle[: max(missing - len(busy), 0)]


def _keep(names: Iterable[str]) -> list[str]:
    return [name for name in names if pool_draining.keep(name)]


def _new_names(pool: NodePool, there: Mapping[str, bool], most: int) -> list[str]:
    """The lowest numbers that are free. So whoever asks again asks for the same ones."""
    taken = there.keys() | pool_draining.names_in_use(pool.name) if most > 0 else set()
    return list(islice(_free(pool.name, taken), max(most, 0)))


def _free(pool: str, taken: Iterable[str]) -> Iterator[str]:
    return (name for number in count(1) if (name := f"{pool}-{number}") not in taken)


def _forget_gone(nodes: Mapping[str, PoolNode], there: Mapping[str, bool]) -> None:
    for node in nodes.values():
        if node.surplus and node.down and node.name not in there:
            pool_draining.forget_gone(node.name)
