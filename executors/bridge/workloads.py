"""What an engine is told of an attempt: made of the placements that were claimed and of what else its job says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from executors.engine import Workload
from jobs.attempts.claims import PlacementSpec
from jobs.models import Attempt, Placement

TOKEN_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Facts:
    """What a claim does not read: of the job, and of each member the cluster's own name of its node."""

    image: str
    gpu_model: str
    priority: int
    queue: str
    labels: Mapping[str, str]
    user: str


def workload_name(spec: PlacementSpec) -> str:
    """The same for all members of an attempt, and for nobody else: the token is of this attempt alone."""
    return f"ty-{spec.job_id}-{spec.attempt}-{spec.token.replace('-', '')[:TOKEN_CHARACTERS]}"


def workloads(attempts: Sequence[Sequence[PlacementSpec]], default_image: str) -> list[Workload]:
    """One for each of these attempts, whose members are given by rank; in two statements."""
    facts = _facts([members[0].attempt_id for members in attempts])
    nodes = _nodes([spec.placement_id for members in attempts for spec in members])
    return [_workload(members, facts[members[0].attempt_id], nodes, default_image) for members in attempts]


def _workload(members: Sequence[PlacementSpec], facts: Facts, nodes: Mapping[int, str], default_image: str) -> Workload:
    return Workload(
        name=workload_name(members[0]),
        members=tuple(members),
        nodes=tuple(nodes[spec.placement_id] for spec in members),
        image=facts.image or default_image,
        gpu_model=facts.gpu_model,
        priority=facts.priority,
        queue=facts.queue,
        labels=facts.labels,
        user=facts.user,
    )


def _facts(attempt_ids: Sequence[int]) -> dict[int, Facts]:
    columns = ("image", "gpu_model", "priority", "queue__name", "labels", "owner__username")
    rows = Attempt.objects.filter(pk__in=attempt_ids).values_list("pk", *(f"job__{name}" for name in columns))
    return {
        pk: Facts(image, model, priority, queue, labels, owner or "")
        for pk, image, model, priority, queue, labels, owner in rows
    }


def _nodes(placement_ids: Sequence[int]) -> dict[int, str]:
    return dict(Placement.objects.filter(pk__in=placement_ids).values_list("pk", "node__cluster_node"))
