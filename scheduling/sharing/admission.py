"""What a request may ever have: of nodes, and of quotas where nobody else holds anything. Asked at submission, and told to who waits in vain."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from scheduling import gpu_models
from scheduling.errors import FieldError
from scheduling.nodes.feasibility import could_hold
from scheduling.placement.hardware import what_is_lacking
from scheduling.reasons import listed, quantity
from scheduling.resources import Request, Resources
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Cells, Ledger, Levels
from scheduling.sharing.model_quotas import ModelQuotas, counted
from scheduling.sharing.quota_refusals import cohort_refusals
from scheduling.sharing.quotas import Usage, enforced, may_borrow, quota_violation
from scheduling.sharing.shortages import Shortage, Shortages
from scheduling.snapshot import NodeView, ProjectView

REST_FIELDS = {
    "gpus": "resources.gpus",
    "cpus": "resources.cpus",
    "memory_mb": "resources.memory_gb",
    "gpu_memory_mb": "resources.gpu_memory_gb",
    "gpu_model": "resources.gpu_model",
    "labels": "resources.node_labels",
    "environment": "environment",
    "executor": "executor",
    "running_jobs": "project",
}
NOBODY: Mapping[str, Usage] = {}
"""What projects hold on a platform where nothing runs: there is never more to have than then."""


def admission_faults(
    request: Request,
    *,
    nodes: Sequence[NodeView],
    chain: Sequence[ProjectView],
    cohorts: Cohorts | None = None,
    firm: bool = False,
) -> tuple[FieldError, ...]:
    """What makes the request impossible for good: no known node is big enough, or what quotas allow in the chain is too little.

    `firm`: it may not be stopped again, so it never runs on what is borrowed.
    """
    if not request.gpus and (request.gpu_model or request.gpu_memory_mb):
        return (FieldError("resources.gpus", "Ask for at least 1 GPU, or name no GPU model and no GPU memory."),)
    if request.gpu_model and not gpu_models.named(request.gpu_model):
        return (FieldError("resources.gpu_model", "Name a GPU model, such as h100, or several with commas between."),)
    lacks = what_is_lacking(request, nodes, "node") if nodes else ()
    hardware = [FieldError(REST_FIELDS[lack.name], lack.sentence, "hardware") for lack in lacks]
    return (
        *(hardware or _too_few_nodes(request, nodes)),
        *beyond_quota(request, chain, firm=firm),
        *_beyond_models(request, chain, nodes),
        *_beyond_cohort(request, chain, cohorts, firm=firm),
    )


class ForGood:
    """What would change it where quotas refuse a request also while nobody holds anything.

    Each is put in words once, for all jobs that are told the same.
    """

    def __init__(self, never: Shortages, cohorts: Cohorts | None) -> None:
        self._never = never
        self._cohorts = cohorts
        self._told: dict[tuple[Shortage, bool], str] = {}  # by identity: one is like another seldom

    def endings(self, asked: Resources, levels: Levels, firm: bool) -> dict[str, str]:
        """By level, for a job that asks for so much; `firm`: it may not be stopped again."""
        found = self._never.of(asked, levels, firm=firm)
        if not found:
            return {}
        yields = firm and self._lets_in_who_yields(asked, levels.projects)
        words: dict[str, str] = {}
        for one in found:
            if one.subject not in words:
                words[one.subject] = self._of(one, asked, levels.parts, yields=yields)
        return words

    def _lets_in_who_yields(self, asked: Resources, chain: Sequence[ProjectView]) -> bool:
        """Whether its projects refuse it only because it may not be stopped again."""
        firm, soft = (self._never.of(asked, Levels(chain), firm=firm) for firm in (True, False))
        return bool(firm) and not soft

    def _of(self, hard: Shortage, asked: Resources, parts: Sequence[ProjectView], *, yields: bool) -> str:
        found = self._told.get((hard, yields))
        if found is None:
            holder = next((part.holder for part in parts if part.slug == hard.subject), "")
            found = self._told[hard, yields] = _way_out(hard, asked, self._cohorts, holder, yields=yields)
        return found


@lru_cache(maxsize=4096)
def _way_out(hard: Shortage, asked: Resources, cohorts: Cohorts | None, holder: str, *, yields: bool) -> str:
    """For example: "It can never start like this: submit it again with at most 8 GPUs, or have the quota of ... raised by 2 GPUs."."""
    level, short = hard.subject, hard.short
    left = {name: getattr(asked, name) - less for name, less in short.items() if name != "running_jobs"}
    most = [quantity(name, amount) for name, amount in left.items()]
    # Where nothing is left, or others keep more than there is, a smaller job would not start either.
    smaller = f"submit it again with at most {listed(most)}, " if most and min(left.values()) > 0 else ""
    softer = "make it preemptible, " if yields and not holder else ""
    pooled = cohorts is not None and any(cohorts.pool(level, name) is not None for name in short)
    own = (holder or f"The quota of project {level}").replace("The", "the", 1)
    whose = f"the quotas below project {level}" if pooled else own
    more = listed(quantity(name, amount) for name, amount in short.items())
    words = (
        f"{smaller}{softer}or have {whose} raised by {more}" if smaller or softer else f"have {whose} raised by {more}"
    )
    return f"It can never start like this: {words}."


def _too_few_nodes(request: Request, nodes: Sequence[NodeView]) -> list[FieldError]:
    """A gang needs as many different nodes as it has members; where no node is known, nobody can tell."""
    if request.nodes == 1 or not nodes:
        return []
    able = sum(could_hold(request, node) for node in nodes)
    if able >= request.nodes:
        return []
    only = f"only {able} node has" if able == 1 else f"only {able} nodes have"
    message = f"Needs {request.nodes} nodes at once; {only} what each of them needs."
    return [FieldError("resources.nodes", message, "hardware")]


def beyond_quota(request: Request, chain: Sequence[ProjectView], *, firm: bool = False) -> Iterator[FieldError]:
    """One error for each limit that is smaller than the request alone."""
    for project in chain:
        reason = quota_violation(project, NOBODY, request.total, firm=firm)
        for name, short in reason.shortfall.items() if reason is not None else ():
            alone = " for a job that is not preemptible" if firm and may_borrow(name, project) else ""
            most = _most(request, name, short)
            message = f"{project.allows} at most {most} at once{alone}{_needs(request, name)}."
            yield FieldError(REST_FIELDS[name], message, str(project.code))
        limits = enforced(project)
        if limits is not None and limits.max_nodes is not None and request.nodes > limits.max_nodes:
            allowed = f"{limits.max_nodes} {'node' if limits.max_nodes == 1 else 'nodes'}"
            yield FieldError("resources.nodes", f"{project.allows} a job at most {allowed}.", "quota")


def _beyond_models(request: Request, chain: Sequence[ProjectView], nodes: Sequence[NodeView]) -> Iterator[FieldError]:
    """What quotas of GPUs by model never let in on the nodes that are known."""
    quotas = ModelQuotas({one.slug: one for one in chain}, nodes).over(chain[0].slug) if chain else ()
    wherever, choice = counted(request, quotas, nodes)
    refusing = [*wherever, *(choice.quotas if choice is not None and choice.refuses(NOBODY) else ())]
    return beyond_quota(request, refusing)


def _beyond_cohort(
    request: Request, chain: Sequence[ProjectView], cohorts: Cohorts | None, *, firm: bool
) -> Iterator[FieldError]:
    """One error for each level that never has so much together for one job, whatever the project's own quota allows."""
    if cohorts is None or not chain:
        return
    nothing_held = Ledger.of(Cells(cohorts.tree), ())
    for reason in cohort_refusals(request, chain[0].slug, cohorts, nothing_held, firm=firm):
        for name, short in reason.shortfall.items():
            has = cohorts.together(reason.subject, name, firm=firm)
            kept = has - (getattr(request.total, name) - short)
            keep = f", of which others keep {quantity(name, min(kept, has))}" if kept > 0 else ""
            message = (
                f"The projects below {reason.subject} have {quantity(name, has)} together{keep}: "
                f"at most {_most(request, name, short)} at once{_needs(request, name)}."
            )
            yield FieldError(REST_FIELDS[name], message, "quota")


def _most(request: Request, name: str, short: int) -> str:
    asked = 1 if name == "running_jobs" else getattr(request.total, name)
    return quantity(name, max(0, asked - short))


def _needs(request: Request, name: str) -> str:
    return "" if name == "running_jobs" else f"; this job needs {quantity(name, getattr(request.total, name))}"
