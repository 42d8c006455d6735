"""Nodes that go at a time which is known beforehand, as a pilot in somebody else's batch system does: who may still start there.

A job with a limit must be over by then. One without, that saves its work, is stopped there and goes on elsewhere, so it may
start while enough of the node's time is left to be worth it: as long as the platform lets a job run before it stops it for
another one. One that saves nothing counts with the limit that is assumed of such jobs: to be stopped would cost it everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode
from scheduling.nodes.profile import FOREVER, Window
from scheduling.reasons import Reason, ReasonCode, spelt, spelt_moment
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.run_times import SOON, limit_seconds
from scheduling.snapshot import NodeView, WaitingJob


def goes_on_elsewhere(job: WaitingJob) -> bool:
    """Whether it may be stopped where it runs without a loss: it has no limit that would have to fit, and saves its work."""
    return job.checkpointable and job.max_runtime_seconds is None


def stay_seconds(job: WaitingJob, rules: Rules) -> float:
    """How much of a node's time must be left for the job to start there."""
    if goes_on_elsewhere(job):
        return min(least_stay(rules), limit_seconds(job, rules))
    return limit_seconds(job, rules)


def least_stay(rules: Rules) -> float:
    return max(rules.preemption.min_runtime_seconds, SOON)


def outlasts(node: NodeView, moment: float) -> bool:
    """Whether the node is still there then."""
    return node.leaves_at is None or node.leaves_at >= moment


class Lifetimes:
    """Of the nodes of one pass. False where none of them goes."""

    def __init__(self, nodes: Sequence[FreeNode], now: float, rules: Rules) -> None:
        self._nodes = nodes
        self._now = now
        self._rules = rules
        self._leaving = {node.number: node.view.leaves_at for node in nodes if node.view.leaves_at is not None}
        self._too_soon: dict[float, frozenset[str]] = {}
        self._told: dict[tuple[Request, float], Reason] = {}
        self._enough: dict[tuple[Request, float], bool] = {}

    def __bool__(self) -> bool:
        return bool(self._leaving)

    def windows(self, *, goes_on: bool) -> Mapping[int, Window]:
        """By number of a node, when it is closed to jobs that may go on elsewhere, or to all others.

        A window closes a node to whoever would run into it with all of its limit. Who goes on elsewhere has the assumed
        one, and need not fit with more than the least stay: for him it begins so much later.
        """
        assumed = self._rules.assumed_limit_seconds
        later = max(0.0, assumed - least_stay(self._rules)) if goes_on else 0.0
        return {number: (leaves_at + later, FOREVER) for number, leaves_at in self._leaving.items()}

    def left_too_soon(self, job: WaitingJob) -> frozenset[str]:
        """The nodes that go before the job must have ended, or could have done enough there."""
        if not self._leaving:
            return frozenset()
        stay = stay_seconds(job, self._rules)
        found = self._too_soon.get(stay)
        if found is None:
            views = [self._nodes[number].view for number in self._leaving]
            gone = [view.name for view in views if not outlasts(view, self._now + stay)]
            found = self._too_soon[stay] = frozenset(gone)
        return found

    def too_short_for(self, job: WaitingJob) -> bool:
        """Whether nodes could hold it, and too few of them stay for long enough, however empty they were."""
        if not self._leaving:
            return False
        stay = stay_seconds(job, self._rules)
        key = (job.request, stay)
        found = self._enough.get(key)
        if found is None:
            able = [node.view for node in self._nodes if could_hold(job.request, node.view)]
            short = len(able) >= job.request.nodes and not enough(able, self._now + stay, job.request.nodes)
            found = self._enough[key] = short
        return found

    def reason(self, job: WaitingJob) -> Reason:
        """Of one that would have room, but on nodes that go too soon for it; told of the one that stays longest."""
        stay = stay_seconds(job, self._rules)
        key = (job.request, stay)
        if key not in self._told:
            self._told[key] = self._reason(job, stay)
        return self._told[key]

    def _reason(self, job: WaitingJob, stay: float) -> Reason:
        able = (node.view for node in self._nodes if could_hold(job.request, node.view))
        leaving = [(view.leaves_at, view.name) for view in able if view.leaves_at is not None]
        if not leaving:
            return Reason(ReasonCode.NODE_LEAVES)
        leaves_at, name = max(leaving)
        moment = spelt_moment(leaves_at)
        last = f"Of {len(leaving)} such nodes {name} stays longest: it" if len(leaving) > 1 else f"Node {name}"
        return Reason(ReasonCode.NODE_LEAVES, f"{_needs(job, stay)} {last} leaves at {moment}.")


def enough(nodes: Iterable[NodeView], moment: float, number: int) -> bool:
    """Whether so many of them are still there then."""
    return sum(1 for _ in islice((node for node in nodes if outlasts(node, moment)), number)) == number


def _needs(job: WaitingJob, stay: float) -> str:
    length = spelt(int(stay))
    if goes_on_elsewhere(job):
        return f"It saves its work and has no limit, so it starts only where a node stays for {length} at least."
    if job.max_runtime_seconds is not None:
        return f"It may run for {length}, and no node with room for it stays so long."
    return f"It has no limit, so {length} are counted, and saves no work; no node with room for it stays so long."
