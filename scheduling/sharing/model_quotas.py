"""GPUs by model: what a project may hold of each, counted by the GPUs that its jobs really hold.

A job that can only run on GPUs of one such model counts on that from the beginning. Any other one goes where a model has
room left: nodes of the others are closed to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from scheduling import gpu_models
from scheduling.nodes.feasibility import could_hold, suitable
from scheduling.reasons import Reason
from scheduling.resources import Request, Resources
from scheduling.sharing.quotas import NOTHING_USED, Usage, enforced, quota_violation
from scheduling.snapshot import Allocation, Limits, NodeView, ProjectView, RunningJob, WaitingJob, chain_of

Shares: TypeAlias = tuple[Allocation, ...]
Placing: TypeAlias = Callable[[frozenset[str]], Shares | None]
"""Finds a place beside these closed nodes."""
Table: TypeAlias = Mapping[str, AbstractSet[int]]
"""By node: which of its GPUs are of the model."""


NONE: AbstractSet[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelQuota(ProjectView):
    """GPUs of one model in a project and all below it. Its slug is no project's."""

    project: str = ""
    model: str = ""
    table: Table = field(default_factory=dict, compare=False, hash=False)

    @property
    def holder(self) -> str:
        return f"The quota of project {self.project} for {self.model}"

    @property
    def most(self) -> int:
        return (self.limits.gpus if self.limits is not None else None) or 0

    def held(self, shares: Iterable[Allocation], total: Resources) -> Resources:  # noqa: ARG002 - by GPU alone
        found = (len(self.table[one.node] & set(one.gpu_indices)) for one in shares if one.node in self.table)
        return Resources(gpus=sum(found))

    def covers(self, job: WaitingJob | RunningJob, projects: Mapping[str, ProjectView]) -> bool:
        """Whether what the job holds of the model counts."""
        return any(one.slug == self.project for one in chain_of(job.project, projects))


class ModelQuotas:
    """All of a snapshot."""

    def __init__(self, projects: Mapping[str, ProjectView], nodes: Sequence[NodeView]) -> None:
        self._projects = projects
        limited = {slug: limits.gpu_models for slug, one in projects.items() if (limits := enforced(one)) is not None}
        tables = {name: _table(name, nodes) for models in limited.values() for name, _ in models}
        self._of = {
            slug: tuple(_quota(slug, name, most, tables[name]) for name, most in models)
            for slug, models in limited.items()
            if models
        }

    def __bool__(self) -> bool:
        return bool(self._of)

    def over(self, project: str) -> tuple[ModelQuota, ...]:
        """Those of the project and of all above it."""
        if not self._of:
            return ()
        return tuple(quota for one in chain_of(project, self._projects) for quota in self._of.get(one.slug, ()))

    def usage(self, running: Iterable[RunningJob]) -> dict[str, Usage]:
        usage: dict[str, Usage] = {}
        for job in running if self else ():
            for quota in self.over(job.project):
                held = quota.held(job.shares, Resources())
                usage[quota.slug] = usage.get(quota.slug, NOTHING_USED).plus_job(held)
        return usage


class ModelChoice:
    """For requests that may run on GPUs of several models, of which some are limited: where they may go."""

    def __init__(self, request: Request, quotas: Sequence[ModelQuota], nodes: Sequence[NodeView]) -> None:
        self.quotas = tuple(quotas)
        self._request = request
        able = [node for node in nodes if could_hold(request, node)]
        self._nodes = {
            quota.slug: frozenset(node.name for node in able if node.name in quota.table) for quota in quotas
        }
        limited = frozenset().union(*self._nodes.values())
        self._open = sum(node.name not in limited for node in able)
        self._able = frozenset(node.name for node in able)

    def members(self, quota: ModelQuota, usage: Mapping[str, Usage]) -> int:
        """How many members the quota still lets in."""
        left = quota.most - usage.get(quota.slug, NOTHING_USED).amount.gpus
        return max(0, min(self._request.nodes, left // self._request.gpus))

    def refuses(self, usage: Mapping[str, Usage]) -> bool:
        """Whether the quotas let in too few, wherever there is room."""
        let_in = sum(min(self.members(one, usage), len(self._nodes[one.slug])) for one in self.quotas)
        return self._open + let_in < self._request.nodes

    def refusals(self, usage: Mapping[str, Usage]) -> tuple[Reason, ...]:
        return self.reasons(usage) if self.refuses(usage) else ()

    def reasons(self, usage: Mapping[str, Usage]) -> tuple[Reason, ...]:
        """Of each quota that would not let all of it in."""
        found = (quota_violation(one, usage, self._request.total) for one in self.quotas)
        return tuple(reason for reason in found if reason is not None)

    def place(
        self,
        usages: Sequence[Mapping[str, Usage]],
        placing: Placing,
        closed: frozenset[str],
        fits: Callable[[ModelQuota, int], bool] = lambda _, __: True,
    ) -> Shares | None:
        """A place within all quotas: of each model no more members than it lets in, those first that the strategy likes best.

        `fits` says whether so many would leave alone what is kept there.
        """
        let_in = {one: min(self.members(one, usage) for usage in usages) for one in self.quotas}
        for quota, most in let_in.items():
            let_in[quota] = next((number for number in range(most, 0, -1) if fits(quota, number)), 0)
            if not let_in[quota]:
                closed |= self._nodes[quota.slug]
        while (shares := placing(closed)) is not None:
            over = next((one for one in self.quotas if self._is_over(one, shares, let_in[one])), None)
            if over is None:
                return shares
            nodes = self._nodes[over.slug]
            best = [share.node for share in shares if share.node in nodes][: let_in[over]]
            closed |= nodes.difference(best)
        return None

    def shut(self, usage: Mapping[str, Usage]) -> frozenset[str]:
        """The nodes on which not even one member may run."""
        full = (one for one in self.quotas if not self.members(one, usage))
        return frozenset().union(*(self._nodes[one.slug] for one in full))

    def bindings(self) -> list[tuple[tuple[ModelQuota, ...], frozenset[str]]]:
        """Each model by itself with all that count it, and GPUs of none that is limited; with the nodes that are closed then."""
        total = self._request.total.gpus
        single = [(self._counting(one), self._able - self._nodes[one.slug]) for one in self.quotas]
        possible = [(quotas, shut) for quotas, shut in single if all(one.most >= total for one in quotas)]
        limited = frozenset().union(*self._nodes.values())
        return [*possible, *([((), limited)] if self._open >= self._request.nodes else [])]

    def _counting(self, quota: ModelQuota) -> tuple[ModelQuota, ...]:
        """With the quotas of other levels for the same GPUs."""
        gpus = [(name, quota.table[name]) for name in self._nodes[quota.slug]]
        return tuple([one for one in self.quotas if any(own & one.table.get(name, NONE) for name, own in gpus)])

    def _is_over(self, quota: ModelQuota, shares: Shares, let_in: int) -> bool:
        return quota.held(shares, Resources()).gpus > let_in * self._request.gpus


def counted(
    request: Request, quotas: Sequence[ModelQuota], nodes: Sequence[NodeView]
) -> tuple[tuple[ModelQuota, ...], ModelChoice | None]:
    """Those on which such a job counts wherever it runs; and its choice, where it depends on the node."""
    if not request.gpus or not quotas:
        return (), None
    able = [node for node in nodes if could_hold(request, node)]
    wherever = tuple(one for one in quotas if able and all(_is_all(request, one, node) for node in able))
    perhaps = [one for one in quotas if one not in wherever and any(node.name in one.table for node in able)]
    return wherever, ModelChoice(request, perhaps, nodes) if perhaps else None


def _is_all(request: Request, quota: ModelQuota, node: NodeView) -> bool:
    return {gpu.index for gpu in suitable(request, node.gpus)} <= quota.table.get(node.name, frozenset())


def _quota(slug: str, model: str, most: int, table: Table) -> ModelQuota:
    return ModelQuota(f"{slug} gpus {model}", limits=Limits(gpus=most), project=slug, model=model, table=table)


def _table(model: str, nodes: Sequence[NodeView]) -> Table:
    found = {
        node.name: frozenset(gpu.index for gpu in node.gpus if gpu_models.matches(model, gpu.model, gpu.memory_mb))
        for node in nodes
    }
    return {name: indices for name, indices in found.items() if indices}
