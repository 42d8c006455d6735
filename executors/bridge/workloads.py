"""What an engine is told of an attempt: made of the placements that were claimed and of what else its job says."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from executors.engine import Workload
from jobs.attempts.claims import PlacementSpec
from jobs.models import Placement

TOKEN_CHARACTERS = 12


class Facts(NamedTuple):
    """What a claim does not read: of a member its node as the cluster calls it, and of its job and the cluster the rest."""

    node: str
    cluster_image: str
    image: str
    gpu_model: str
    priority: int
    queue: str
    labels: Mapping[str, str]
    user: str | None


COLUMNS = (
    "node__cluster_node", "node__cluster__image", "attempt__job__image", "attempt__job__gpu_model", "attempt__job__priority",
    "attempt__job__queue__name", "attempt__job__labels", "attempt__job__owner__username",
)  # fmt: skip


def workload_name(spec: PlacementSpec) -> str:
    """The same for all members of an attempt, and for nobody else: the token is of this attempt alone."""
    return f"ty-{spec.job_id}-{spec.attempt}-{spec.token.replace('-', '')[:TOKEN_CHARACTERS]}"


def workloads(attempts: Sequence[Sequence[PlacementSpec]]) -> list[Workload]:
    """One for each of these attempts, whose members are given by rank; in one statement."""
    placements = [spec.placement_id for members in attempts for spec in members]
    rows = Placement.objects.filter(pk__in=placements).values_list("pk", *COLUMNS)
    facts = {pk: Facts(*columns) for pk, *columns in rows}
    return [_workload(members, [facts[spec.placement_id] for spec in members]) for members in attempts]


def _workload(members: Sequence[PlacementSpec], facts: Sequence[Facts]) -> Workload:
    its = facts[0]
    return Workload(
        name=workload_name(members[0]),
        members=tuple(members),
        nodes=tuple(one.node for one in facts),
        image=its.image or its.cluster_image,
        gpu_model=its.gpu_model,
        priority=its.priority,
        queue=its.queue,
        labels=its.labels,
        user=its.user or "",
    )
