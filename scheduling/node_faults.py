"""Which nodes are broken, judged by the jobs that failed on them one after another, and which of them to drain.

A fault of which the node itself tells (a GPU error, a full disk) is a witness by itself. A command that failed as soon as
it was started may have a fault of its own, so all such jobs of one submitter are one witness: nobody can drain a fleet
with a broken script.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from scheduling.reasons import listed

MOST_DRAINED = 0.25
"""At most this part of the nodes is drained by the platform at a time: where more fail, something else is broken."""
JOBS_NAMED = 5


@dataclass(frozen=True, slots=True)
class NodeFault:
    """One job that failed on a node since the last one that completed there. `certain`: the node itself tells of it."""

    node: str
    job_id: int
    submitter: str
    certain: bool
    how: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A node that could take jobs, or could if it were not `drained` by the platform. Nodes of one kind can stand in."""

    name: str
    kind: tuple[str, ...]
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """A node that is probably broken, why, and whether to drain it or, with a reason, only to tell of it."""

    node: str
    sentence: str
    job_ids: tuple[int, ...]
    drain: bool


def suspects(faults: Iterable[NodeFault], machines: Sequence[Machine], *, needed: int) -> tuple[Suspect, ...]:
    """Every undrained node against which there are so many witnesses, those with the most first."""
    by_node: dict[str, list[NodeFault]] = defaultdict(list)
    for fault in faults:
        by_node[fault.node].append(fault)
    counted = {node: witnesses(told) for node, told in by_node.items()}
    broken = sorted((node for node in counted if counted[node] >= needed), key=lambda node: (-counted[node], node))
    known = {machine.name: machine for machine in machines}
    found: list[Suspect] = []
    drained = {machine.name for machine in machines if machine.drained}
    for node in broken:
        if node in known and node not in drained:
            why_not = _why_not(known[node], machines, drained)
            drained |= set() if why_not else {node}
            found.append(_suspect(node, by_node[node], why_not))
    return tuple(found)


def witnesses(faults: Sequence[NodeFault]) -> int:
    """How many independent witnesses these faults of one node are."""
    certain = {fault.job_id for fault in faults if fault.certain}
    submitters = {fault.submitter for fault in faults if fault.job_id not in certain}
    return len(certain) + len(submitters)


def _why_not(machine: Machine, machines: Sequence[Machine], drained: set[str]) -> str:
    alike = [one for one in machines if one.kind == machine.kind and one.name not in drained | {machine.name}]
    if not alike:
        return "It is the last of its kind, so it is not drained."
    if len(drained) >= max(1, ceil(len(machines) * MOST_DRAINED)):
        return f"{len(drained)} of {len(machines)} nodes are drained for such faults already, so it is not."
    return ""


def _suspect(node: str, faults: Sequence[NodeFault], why_not: str) -> Suspect:
    by_job: Mapping[int, NodeFault] = {fault.job_id: fault for fault in faults}
    named = [f"{job_id} ({fault.how})" for job_id, fault in sorted(by_job.items())[:JOBS_NAMED]]
    more = len(by_job) - len(named)
    jobs = listed([*named, f"{more} more"] if more else named)
    sentence = f"Jobs failed on it one after another: {jobs}."
    return Suspect(node, f"{sentence} {why_not}".strip(), tuple(sorted(by_job)), not why_not)
