"""Which nodes are broken, judged by the jobs that failed on them one after another, and which of them to drain.

A fault of which the node itself tells (a GPU error) is a witness by itself. A command that failed as soon as it was started
may have a fault of its own: it is a witness only if the same job ran well on another node, and then all such jobs of one
submitter are one. So nobody can drain a node with broken scripts; operators are told of nodes on which those of many fail.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from scheduling.reasons import listed

MOST_DRAINED = 0.25
"""At most this part of the nodes is drained by the platform at a time: where more fail, something else is broken."""
JOBS_NAMED = 5
MOST_DOUBLINGS, LONGEST_SECONDS = 10, 86_400.0
UNPROVED = "None of them ran well elsewhere, so it may be their own doing, and the node is not drained."


@dataclass(frozen=True, slots=True)
class NodeFault:
    """One job that failed on a node since the last one that completed there.

    `certain`: the node itself tells of it. `elsewhere`: the same job ran well on another node.
    """

    node: str
    job_id: int
    submitter: str
    certain: bool
    how: str
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """A node that could take jobs, or could if it were not `drained` by the platform. Nodes of one kind can stand in.

    `on_trial`: it was drained by the platform, takes jobs again, and none has completed there since.
    """

    name: str
    kind: tuple[str, ...]
    drained: bool = False
    on_trial: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """A node that is probably broken, why, and whether to drain it or, with a reason, only to tell of it."""

    node: str
    sentence: str
    job_ids: tuple[int, ...]
    drain: bool


def faulty_nodes(faults: Iterable[NodeFault], machines: Sequence[Machine], *, needed: int) -> tuple[Suspect, ...]:
    """Every undrained node against which there are so many witnesses, those with the most first.

    For a node on trial one is enough. Where only commands speak against a node that did no better elsewhere, it is told of.
    """
    by_node: dict[str, list[NodeFault]] = defaultdict(list)
    for fault in faults:
        by_node[fault.node].append(fault)
    known = {machine.name: machine for machine in machines}
    counted = {node: evidence(told) for node, told in by_node.items() if node in known and not known[node].drained}
    heard = {node: evidence(by_node[node], proved=False) for node in counted}
    enough = {node: 1 if known[node].on_trial else needed for node in counted}
    broken = [node for node in counted if counted[node] >= enough[node] or heard[node] >= needed]
    found: list[Suspect] = []
    drained = {machine.name for machine in machines if machine.drained}
    for node in sorted(broken, key=lambda node: (-counted[node], -heard[node], node)):
        why_not = UNPROVED if counted[node] < enough[node] else _why_not(known[node], machines, drained)
        drained |= set() if why_not else {node}
        found.append(_suspect(node, by_node[node], why_not))
    return tuple(found)


def evidence(faults: Iterable[NodeFault], *, proved: bool = True) -> int:
    """How many independent witnesses these faults of one node are. Not `proved`: with commands that may have failed by themselves."""
    told = [fault for fault in faults if fault.certain or fault.elsewhere or not proved]
    certain = {fault.job_id for fault in told if fault.certain}
    submitters = {fault.submitter for fault in told if fault.job_id not in certain}
    return len(certain) + len(submitters)


def _why_not(machine: Machine, machines: Sequence[Machine], drained: set[str]) -> str:
    alike = [one for one in machines if one.kind == machine.kind and one.name not in drained | {machine.name}]
    if not alike:
        return "It is the last of its kind, so it is not drained."
    if len(drained) >= max(1, ceil(len(machines) * MOST_DRAINED)):
        return f"{len(drained)} of {len(machines)} nodes are drained for such faults already, so it is not."
    return ""


def trial_after(drains: int, first_seconds: float) -> float:
    """How long the platform keeps a node drained that it drains for the so-manieth time in a row: twice as long each time."""
    return min(first_seconds * 2.0 ** min(drains - 1, MOST_DOUBLINGS), LONGEST_SECONDS)


def _suspect(node: str, faults: Sequence[NodeFault], why_not: str) -> Suspect:
    by_job: Mapping[int, NodeFault] = {fault.job_id: fault for fault in faults}
    named = [f"{job_id} ({fault.how})" for job_id, fault in sorted(by_job.items())[:JOBS_NAMED]]
    more = len(by_job) - len(named)
    jobs = listed([*named, f"{more} more"] if more else named)
    sentence = f"Jobs failed on it one after another: {jobs}."
    return Suspect(node, f"{sentence} {why_not}".strip(), tuple(sorted(by_job)), not why_not)
