"""Placements as the ledger knows them: whose they are and what they hold, in plain values."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from jobs.models.queries import rows
from quotas.costs.ledger import HeldPlacement
from scheduling.sharing.prices import Holding, terms_of

HELD = """
    SELECT placement.id, job.id, job.name, attempt.number, project.id, project.slug, node.name, placement.created_at,
           placement.cpus, placement.memory_mb, placement.gpu_indices, node.labels::text, node.gpus::text,
           node.cpus, node.memory_mb, job.batch, job.labels::text,
           job.predicted_runtime_seconds, job.estimated_runtime_seconds, job.max_runtime_seconds
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN quotas_project AS project ON project.id = job.project_id
    JOIN workers_node AS node ON node.id = placement.node_id
    WHERE placement.id = ANY(%s) ORDER BY placement.id
"""
OWNERS: LiteralString = """
    SELECT job.id, owner.username FROM jobs_job AS job JOIN auth_user AS owner ON owner.id = job.owner_id WHERE job.id = ANY(%s)
"""
# For agents, who may not read the users.
SUBMITTERS: LiteralString = """
    SELECT DISTINCT ON (job_id) job_id, actor FROM jobs_jobevent WHERE job_id = ANY(%s) AND kind = 'submitted' ORDER BY job_id, id
"""


class Found(NamedTuple):
    """A placement, and what is known of how long its job runs: predicted, said by its owner, its limit."""

    held: HeldPlacement
    predicted: float | None
    estimated: int | None
    limit: int | None


def held(placement_ids: Sequence[int], users: LiteralString = OWNERS) -> list[Found]:
    """These placements as they are now, their nodes as well; whose they are by `OWNERS` or `SUBMITTERS`."""
    found = rows(HELD, list(placement_ids)) if placement_ids else []
    names = dict(rows(users, [row[1] for row in found])) if found else {}
    return [_found(names.get(row[1], ""), *row) for row in found]


def _found(user: str, *row: Any) -> Found:
    """Of the columns of `HELD`."""
    placement, job, name, attempt, project, slug, node, since, cpus, memory_mb, indices, node_labels, devices = row[:13]
    node_cpus, node_memory_mb, batch, labels, *known = row[13:]
    gpus = json.loads(devices)
    node_type, capacity = terms_of(json.loads(node_labels))
    holding = Holding(
        cpus=cpus,
        memory_mb=memory_mb,
        gpus=_by_model(gpus, indices),
        node=node,
        node_type=node_type,
        capacity=capacity,
        node_cpus=node_cpus,
        node_memory_mb=node_memory_mb,
        node_gpus=len(gpus),
    )
    return Found(
        HeldPlacement(
            placement, job, name, attempt, project, slug, node, since, holding, user, batch, json.loads(labels)
        ),
        *known,
    )


def _by_model(gpus: Sequence[Mapping[str, Any]], indices: Collection[int]) -> dict[str, int]:
    return dict(Counter(gpu.get("model", "") for gpu in gpus if gpu["index"] in indices))
