"""Which parts fail in a drill, when and for how long: drawn from a seed, so that a run can be repeated."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.fault_kinds import NOWHERE, SPANS, USUAL_SPAN, WEIGHTS, FaultKind, affected_parts, is_on_a_node

PAUSE_LEASES = 0.5
"""A part that was healed is left alone for so long."""
TOGETHER = 0.4
"""So many of the faults bring another one along, at the same moment and somewhere else."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` and `seconds` from the start of the drill; `node` counts the agents; `draw` chooses among what is there."""

    number: int
    at: float
    kind: FaultKind
    seconds: float
    node: int = NOWHERE
    draw: float = 0.0


def plan_faults(seed: int, count: int, agents: int, *, lease: float, without: Sequence[FaultKind] = ()) -> list[Fault]:
    """`count` faults, about one a lease, many of them two at a time. Each kind that is possible comes at least once if there are enough.

    A part has one fault at a time, and `fault_kinds.affected_parts` says what counts as one; but any two parts may fail together.
    """
    drawing = _Drawing(random.Random(f"faults {seed}"), agents, lease)
    kinds = _kinds(drawing.draw, count, without)
    at = lease
    while kinds:
        at += lease * drawing.draw.uniform(0.3, 1.2)
        first = drawing.fault(kinds.pop(0), at)
        at = first.at
        if drawing.draw.random() < TOGETHER:
            drawing.bring_along(kinds, at)
    return drawing.faults


class _Drawing:
    """Faults drawn so far, and from when on each part can have its next one."""

    def __init__(self, draw: random.Random, agents: int, lease: float) -> None:
        self.draw = draw
        self.faults: list[Fault] = []
        self._agents = agents
        self._lease = lease
        self._free_at: dict[str, float] = {}

    def fault(self, kind: FaultKind, earliest: float) -> Fault:
        """One of this kind, as soon after `earliest` as what it takes is well."""
        node = self._node(kind, earliest) if is_on_a_node(kind) else NOWHERE
        at = round(max(earliest, self._well_at(kind, node)), 3)
        seconds = round(self._lease * self.draw.uniform(*SPANS.get(kind, USUAL_SPAN)), 3)
        parts = affected_parts(kind, node, self._agents)
        self._free_at |= dict.fromkeys(parts, at + seconds + PAUSE_LEASES * self._lease)
        self.faults.append(Fault(len(self.faults), at, kind, seconds, node, self.draw.random()))
        return self.faults[-1]

    def bring_along(self, kinds: list[FaultKind], at: float) -> None:
        """The first of `kinds` that can come at this very moment comes now, and is taken out of them."""
        for index, kind in enumerate(kinds):
            if min(self._well_at(kind, node) for node in self._nodes(kind)) <= at:
                self.fault(kinds.pop(index), at)
                return

    def _node(self, kind: FaultKind, at: float) -> int:
        """A node that is well by then, or else one of those that are well soonest."""
        well_at: Mapping[int, float] = {node: self._well_at(kind, node) for node in self._nodes(kind)}
        by_then = max(at, min(well_at.values()))
        return self.draw.choice([node for node, moment in well_at.items() if moment <= by_then])

    def _nodes(self, kind: FaultKind) -> Sequence[int]:
        return range(self._agents) if is_on_a_node(kind) else (NOWHERE,)

    def _well_at(self, kind: FaultKind, node: int) -> float:
        return max(self._free_at.get(part, 0.0) for part in affected_parts(kind, node, self._agents))


def _kinds(draw: random.Random, count: int, without: Sequence[FaultKind]) -> list[FaultKind]:
    possible = [kind for kind in WEIGHTS if kind not in without]
    each = draw.sample(possible, len(possible))[:count]
    more = draw.choices(possible, [WEIGHTS[kind] for kind in possible], k=count - len(each))
    kinds = [*each, *more]
    draw.shuffle(kinds)
    return kinds
