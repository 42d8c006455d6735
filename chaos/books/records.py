"""What the platform's books say of a storm: who held what, from when until when, and what that cost. Read by statements of our own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from chaos.books.tree import Member

PLACEMENTS = """
    SELECT placement.id, job.id, attempt.number, placement.rank, project.slug, cardinality(placement.gpu_indices), placement.cpus,
           date_part('epoch', placement.created_at), date_part('epoch', placement.closed_at), settled.cost, -refunded.cost,
           (SELECT date_part('epoch', min(told.at)) FROM jobs_jobevent AS told
            WHERE told.job_id = job.id AND told.kind LIKE '%requested' AND told.at BETWEEN placement.created_at AND placement.closed_at)
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id JOIN quotas_project AS project ON project.id = job.project_id
    LEFT JOIN quotas_ledgertransaction AS settled ON settled.placement = placement.id AND settled.kind = 'settle'
    LEFT JOIN quotas_ledgertransaction AS refunded ON refunded.placement = placement.id AND refunded.kind = 'refund'
    ORDER BY placement.id
"""
ACCOUNTS = "SELECT account, sum(amount) FROM quotas_ledgerentry GROUP BY account"
# Whoever waits and would be within its own quota, while another member holds what is not its own; of jobs on one node, as
# a gang may lack nodes, and of those that nothing else keeps: no delay, no hold, no budget.
WITHHELD = """
    WITH held AS (
        SELECT project.id, sum(cardinality(placement.gpu_indices)) AS gpus, sum(placement.cpus) AS cpus
        FROM jobs_placement AS placement
        JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
        JOIN jobs_job AS job ON job.id = attempt.job_id JOIN quotas_project AS project ON project.id = job.project_id
        WHERE placement.closed_at IS NULL GROUP BY project.id
    ),
    members AS (
        SELECT quota.project_id AS id, quota.gpus, quota.cpus, coalesce(held.gpus, 0) AS gpus_held, coalesce(held.cpus, 0) AS cpus_held
        FROM quotas_quota AS quota JOIN quotas_project AS project ON project.id = quota.project_id AND project.parent_id IS NOT NULL
        LEFT JOIN held ON held.id = project.id
    )
    SELECT job.id FROM jobs_job AS job JOIN members AS own ON own.id = job.project_id
    WHERE job.state = 'pending' AND job.held_at IS NULL AND job.nodes = 1 AND (job.not_before IS NULL OR job.not_before < now())
      AND NOT job.reasons @> '[{"code": "budget"}]'
      AND own.gpus_held + job.gpus <= own.gpus AND own.cpus_held + job.cpus <= own.cpus
      AND EXISTS (
          SELECT FROM members AS other WHERE other.id <> own.id
          AND (other.cpus_held > other.cpus OR (job.gpus > 0 AND other.gpus_held > other.gpus))
      )
"""


@dataclass(frozen=True, slots=True)
class Booked:
    """One placement; its moments are on the machine's monotonic clock. `settled` and `refunded` are None where nothing was."""

    placement: int
    job_id: int
    attempt: int
    rank: int
    project: str
    gpus: int
    cpus: int
    began: float
    ended: float | None
    settled: Decimal | None = None
    refunded: Decimal | None = None
    leaves_from: float | None = None
    """When it was told to end, if it was."""


@dataclass(frozen=True, slots=True)
class Books:
    """All placements of a storm, what each account of the ledger came to, and what the platform's own audits found."""

    placements: Sequence[Booked]
    accounts: dict[str, Decimal]
    audits: Sequence[str]
    members: Sequence[Member]
    most: tuple[int, int]
    """GPUs and CPUs of all members together."""
    hard: Decimal = Decimal(0)


def read(
    database: "psycopg.Connection[tuple[object, ...]]",
    audits: Sequence[str],
    members: Sequence[Member],
    most: tuple[int, int],
    hard: Decimal,
) -> Books:
    offset = time.time() - time.monotonic()
    rows: list[Any] = database.execute(PLACEMENTS).fetchall()
    placements = [_booked(offset, *row) for row in rows]
    sums: list[Any] = database.execute(ACCOUNTS).fetchall()
    accounts: dict[str, Decimal] = dict(sums)
    return Books(placements, accounts, audits, members, most, hard)


def _booked(offset: float, *row: Any) -> Booked:
    placement, job, attempt, rank, project, gpus, cpus, began, ended, settled, refunded, told = row
    until, leaves_from = (None if at is None else at - offset for at in (ended, told))
    return Booked(
        placement, job, attempt, rank, project, gpus, cpus, began - offset, until, settled, refunded, leaves_from
    )


def withheld(database: "psycopg.Connection[tuple[object, ...]]") -> set[int]:
    """Jobs that wait for their project's own quota while others hold more than theirs, at this moment."""
    return {int(str(job)) for (job,) in database.execute(WITHHELD).fetchall()}
