"""Reading what is known of a drill: the platform's tables by plain statements of our own, its logs over REST."""

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, LiteralString, Protocol

import psutil
import psycopg

from chaos import diaries, thawing
from chaos.history import Attempted, Event, Frozen, History, Placed, Printed, Recorded, Robbed
from chaos.submitting import Accepted
from local_stack.rest import Rest

JOBS = "SELECT id, state, end_reason, exit_code, message FROM jobs_job ORDER BY id"
ATTEMPTS = """
    SELECT id, job_id, number, end_reason, date_part('epoch', ended_at), message FROM jobs_attempt ORDER BY job_id, number
"""
PLACEMENTS = """
    SELECT placement.attempt_id, node.name, placement.rank, placement.gpu_indices
    FROM jobs_placement AS placement JOIN workers_node AS node ON node.id = placement.node_id ORDER BY placement.rank
"""
EVENTS = "SELECT job_id, kind, from_state, to_state FROM jobs_jobevent ORDER BY job_id, id"
CHUNKS = """
    SELECT attempt.job_id, attempt.number, chunk.rank, chunk.number, chunk."offset", length(chunk.data)
    FROM jobs_logchunk AS chunk JOIN jobs_attempt AS attempt ON attempt.id = chunk.attempt_id
"""
HELD = """
    SELECT 'open placements', count(*) FROM jobs_placement WHERE closed_at IS NULL
    UNION ALL SELECT 'GPUs held', count(*) FROM jobs_gpuhold
    UNION ALL SELECT 'open attempts', count(*) FROM jobs_attempt WHERE ended_at IS NULL
    UNION ALL SELECT 'wishes of jobs that ended', count(*) FROM jobs_job WHERE desired <> '' AND finished_at IS NOT NULL
"""
BREACHES = """
    SELECT 'node ' || node.name || ': ' || sum(placement.cpus) || ' CPUs of ' || node.cpus
    FROM jobs_placement AS placement JOIN workers_node AS node ON node.id = placement.node_id
    WHERE placement.closed_at IS NULL
    GROUP BY node.id HAVING sum(placement.cpus) > node.cpus
    UNION ALL
    SELECT 'quota: ' || sum(placement.cpus) || ' CPUs of ' || quota.cpus + coalesce(quota.borrowing_cpus, 0)
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN quotas_quota AS quota ON quota.project_id = job.project_id
    WHERE placement.closed_at IS NULL
    GROUP BY quota.id HAVING sum(placement.cpus) > quota.cpus + coalesce(quota.borrowing_cpus, 0)
    UNION ALL
    SELECT 'quota: ' || sum(cardinality(placement.gpu_indices)) || ' GPUs of ' || quota.gpus + coalesce(quota.borrowing_gpus, 0)
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN quotas_quota AS quota ON quota.project_id = job.project_id
    WHERE placement.closed_at IS NULL
    GROUP BY quota.id HAVING sum(cardinality(placement.gpu_indices)) > quota.gpus + coalesce(quota.borrowing_gpus, 0)
"""
LEFT = "SELECT count(*) FROM jobs_job WHERE finished_at IS NULL"
Connection = psycopg.Connection[tuple[Any, ...]]


class Platform(Protocol):
    """What there is to be read of a platform under a drill."""

    diaries: Path
    frozen: list[Frozen]
    robbed: list[Robbed]
    twins: list[str]

    def database(self) -> "psycopg.Connection[tuple[object, ...]]": ...

    def strays(self) -> list[psutil.Process]: ...


def breaches(database: Connection) -> list[str]:
    """Where more is held at this moment than there is, or than the quota allows."""
    return [text for (text,) in _rows(database, BREACHES)]


def unfinished(database: Connection) -> int:
    """How many jobs have not ended."""
    return int(_rows(database, LEFT)[0][0])


def collect(
    stack: Platform, rest: Rest, accepted: Sequence[Accepted], *, breached: Sequence[str], refused: Sequence[str]
) -> History:
    """The whole history, read when nothing runs any more."""
    with stack.database() as database:
        jobs = _jobs(database)
        chunks = _chunks(database)
        held = {what: float(count) for what, count in _rows(database, HELD)}
    wanted = {one.job_id for one in accepted}
    runs = [run for run in diaries.read(stack.diaries) if run.job_id in wanted]
    return History(
        accepted=accepted,
        jobs={job_id: job for job_id, job in jobs.items() if job_id in wanted},
        runs=thawing.settled(runs, jobs, stack.frozen),
        logs=[
            _log(rest, job_id, attempt.number, placed.rank, chunks)
            for job_id in sorted(wanted & jobs.keys())
            for attempt in jobs[job_id].attempts
            for placed in attempt.placements
        ],
        held={**held, **_usage(rest)},
        breaches=breached,
        strays=[f"{one.pid} {one.name()}" for one in stack.strays()],
        refused=refused,
        robbed=stack.robbed,
        twins=stack.twins,
    )


def _rows(database: Connection, statement: LiteralString) -> list[tuple[Any, ...]]:
    return database.execute(statement).fetchall()


def _jobs(database: Connection) -> dict[int, Recorded]:
    offset = time.time() - time.monotonic()
    placements: dict[int, list[Placed]] = defaultdict(list)
    for attempt_id, node, rank, gpus in _rows(database, PLACEMENTS):
        placements[attempt_id].append(Placed(node, rank, tuple(map(str, gpus))))
    attempts: dict[int, list[Attempted]] = defaultdict(list)
    for pk, job_id, number, reason, ended, message in _rows(database, ATTEMPTS):
        moment = None if ended is None else float(ended) - offset
        attempts[job_id].append(Attempted(number, reason, moment, message, placements[pk]))
    events: dict[int, list[Event]] = defaultdict(list)
    for job_id, kind, old, new in _rows(database, EVENTS):
        events[job_id].append(Event(kind, old, new))
    return {
        pk: Recorded(pk, state, reason, code, message, attempts[pk], events[pk])
        for pk, state, reason, code, message in _rows(database, JOBS)
    }


def _chunks(database: Connection) -> dict[tuple[int, int, int], list[tuple[int, int, int]]]:
    found: dict[tuple[int, int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for job_id, attempt, rank, *chunk in _rows(database, CHUNKS):
        found[job_id, attempt, rank].append((chunk[0], chunk[1], chunk[2]))
    return found


def _log(
    rest: Rest, job_id: int, attempt: int, rank: int, chunks: dict[tuple[int, int, int], list[tuple[int, int, int]]]
) -> Printed:
    """As its owner would read it."""
    answer = rest.get(f"/jobs/{job_id}/logs?attempt={attempt}&rank={rank}&format=text")
    text = answer.body if isinstance(answer.body, bytes) else str(answer.body).encode()
    return Printed(job_id, attempt, rank, text, chunks.get((job_id, attempt, rank), ()))


def _usage(rest: Rest) -> dict[str, float]:
    usage = rest.get("/projects/default/usage").body["usage"]
    return {f"quota usage, {name}": float(amount or 0) for name, amount in usage.items()}
