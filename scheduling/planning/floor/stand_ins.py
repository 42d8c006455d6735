"""Which machine stands for which node of the shadow: those of one kind may be exchanged, as long as nobody is bound to them.

The shadow packs its nodes in its own way. A job whose turn has come has to find its room here where the shadow has it, or all
others would not fit beside it. But that a machine has a certain name makes no difference, so the names are chosen late: where
a job runs already, or where room is cheapest.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

from scheduling.planning.floor.shadow import ShadowSchedule, places
from scheduling.snapshot import NodeView, RunningJob, ShadowJob, Snapshot

Kind: TypeAlias = tuple[object, ...]
Pair: TypeAlias = tuple[ShadowJob, RunningJob]
"""A job that runs in both, with what each says of it."""


class StandIns:
    """The mapping of one plan: changes `nodes` of the shadow in place."""

    def __init__(self, shadow: ShadowSchedule, snapshot: Snapshot) -> None:
        self._real = shadow.nodes
        self._own = {real: own for own, real in shadow.nodes.items()}
        self._snapshot = snapshot
        self._bound: Counter[str] = Counter()  # the shadow's nodes, with how many that run here at their places

    @cached_property
    def _kinds(self) -> dict[str, Kind]:
        named = {name for one in self._snapshot.reservations for name in one.nodes}
        return {node.name: _kind(node, named) for node in self._snapshot.nodes}

    def real(self, own: str) -> str:
        return self._real.get(own, own)

    def places(self, one: ShadowJob) -> tuple[str, ...]:
        return places(one, self._real)

    def is_in_place(self, one: ShadowJob, job: RunningJob) -> bool:
        """Whether it runs on the machines that stand for its nodes."""
        if len(job.shares) == 1 == len(one.shares):
            own = one.shares[0].node
            return self._real.get(own, own) == job.shares[0].node
        return set(self.places(one)) == nodes_of(job)

    def bind_all(self, pairs: Iterable[Pair], elsewhere: Iterable[Pair]) -> set[int]:
        """Bind those that run at their places; then name machines so that those `elsewhere` do. Returns who still does not."""
        for one, job in pairs:
            nodes = nodes_of(job)
            self._bound.update([share.node for share in one.shares if self.real(share.node) in nodes])
        return {job.id for one, job in elsewhere if not self.assign(one, tuple(nodes_of(job)), already_bound=True)}

    def choices(self, one: ShadowJob) -> frozenset[str]:
        """The machines among which the job may be given its places: its own, or all free ones of their kind."""
        own = [share.node for share in one.shares]
        kinds = {self._kinds.get(self.real(node)) for node in own}
        if len(kinds) > 1 or any(self._bound[node] for node in own):
            return frozenset(self.places(one))
        return frozenset(
            name for name, kind in self._kinds.items() if kind in kinds and not self._bound[self._own.get(name, name)]
        )

    def assign(self, one: ShadowJob, machines: Sequence[str], *, already_bound: bool = False) -> bool:
        """Let these machines stand for the job's nodes, and bind them to it; False if they may not."""
        wanted = [name for name in machines if name not in self.places(one)]
        moving = [share.node for share in one.shares if self.real(share.node) not in machines]
        pairs = list(zip(moving, wanted, strict=False))
        if len(moving) != len(wanted) or not all(self._may_exchange(own, real) for own, real in pairs):
            return False
        for own, real in pairs:
            self._exchange(own, self._own.get(real, real))
        self._bound.update(moving if already_bound else [share.node for share in one.shares])
        return True

    def _may_exchange(self, own: str, real: str) -> bool:
        same = self._kinds.get(self.real(own)) == self._kinds.get(real, ())
        return same and not self._bound[own] and not self._bound[self._own.get(real, real)]

    def _exchange(self, one: str, other: str) -> None:
        first, second = self.real(one), self.real(other)
        for own, real in ((one, second), (other, first)):
            self._real[own], self._own[real] = real, own
            if own == real:
                del self._real[own], self._own[real]


def _kind(node: NodeView, named: Collection[str]) -> Kind:
    """Machines of one kind are alike in all that a plan looks at; one that is named in a reservation is like no other."""
    gpus = tuple((gpu.index, gpu.model, gpu.memory_mb) for gpu in node.gpus)
    own = node.name if node.name in named else ""
    return (
        node.cpus,
        node.memory_mb,
        gpus,
        tuple(sorted(node.labels.items())),
        node.state,
        node.alive,
        own,
        node.executor,
        node.cluster,
    )


def nodes_of(job: RunningJob) -> set[str]:
    return {share.node for share in job.shares}


def pairs_of(jobs: Mapping[int, ShadowJob], running: Iterable[RunningJob]) -> list[Pair]:
    """Those that run in both."""
    return [
        (one, job)
        for job in running
        if (one := jobs.get(job.id)) is not None and one.started_at is not None and one.work_seconds is None
    ]
