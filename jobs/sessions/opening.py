"""A session is asked for: refused with a sentence, or on record with a word by which its caller comes in."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobs.models import Job, JobSession, Placement
from jobs.sessions import rights
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError
from scheduling.lifecycle import TERMINAL_STATES, JobState, PlacementState

COUNTING_LOCK = 0x7365_7373  # "sess": of two that are asked for at once the second counts the first
COME_SECONDS = 30
"""So long the caller has to come in, and then the agent."""
OFF = "Sessions beside jobs are switched off on this platform (TRAINYARD_SESSIONS)."
ELSEWHERE = {
    "kubernetes": "it runs in the Kubernetes cluster {name}: use `kubectl exec` or `kubectl port-forward` there",
    "slurm": "it runs in the Slurm cluster {name}: use `srun --overlap --jobid` there",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done beside the job."""

    kind: str
    command: tuple[str, ...] = ()
    terminal: str = ""
    rows: int = 24
    columns: int = 80
    port: int | None = None
    rank: int = 0


def open_session(*, job: Job, user: User, wanted: Wanted) -> tuple[JobSession, str]:
    """The session, and the word for its caller. Raises ForbiddenError, ConflictError or InvalidError."""
    rights.require(user, job)
    if not settings.SESSIONS:
        raise ForbiddenError(OFF)
    word = secrets.token_urlsafe(32)
    with transaction.atomic():
        placement = _placement(job, wanted.rank)
        _count(job, user)
        session = JobSession.objects.create(
            placement=placement,
            user=user,
            kind=wanted.kind,
            command=list(wanted.command),
            terminal=wanted.terminal,
            rows=wanted.rows,
            columns=wanted.columns,
            port=wanted.port,
            token_hash=hashed(word),
        )
    return session, word


def hashed(word: str) -> str:
    return hashlib.sha256(word.encode(errors="replace")).hexdigest()


def open_sessions() -> QuerySet[JobSession]:
    """Those that are, or may be in a moment: of a closed placement none, nor where nobody came in time."""
    late = Now() - timedelta(seconds=COME_SECONDS)
    came = Q(agent_at__isnull=False) | Q(caller_at__gte=late) | Q(caller_at__isnull=True, created_at__gte=late)
    return JobSession.objects.filter(came, ended_at__isnull=True, placement__closed_at__isnull=True)


def _placement(job: Job, rank: int) -> Placement:
    """Where the job's command of this rank runs."""
    if rank >= job.nodes:
        raise InvalidError([FieldError("rank", _ranks(job.nodes))])
    if job.state != JobState.RUNNING:
        raise ConflictError(f"Job {job.pk} {_not_running(job)}", state=job.state)
    running = Q(state=PlacementState.RUNNING, rank=rank, attempt__ended_at__isnull=True)
    found = Placement.objects.filter(running, attempt__job=job).select_related("node__cluster").first()
    if found is None:
        raise ConflictError(f"Job {job.pk} has no command that runs under rank {rank} just now.", state=job.state)
    cluster = found.node.cluster
    if cluster is not None:
        how = ELSEWHERE.get(cluster.kind, "it runs in the cluster {name}, which has ways of its own")
        raise ConflictError(f"No session beside job {job.pk}: {how.format(name=cluster.name)}.", state=job.state)
    return found


def _ranks(nodes: int) -> str:
    return "The job runs on one node: leave rank out, or say 0." if nodes == 1 else f"Must be from 0 to {nodes - 1}."


def _not_running(job: Job) -> str:
    if job.state in TERMINAL_STATES:
        return f"is over ({job.state}): there is nothing to be beside. `trainyard requeue {job.pk}` runs it again."
    if job.state == JobState.PAUSED:
        return "is paused, and on no node."
    if job.state == JobState.PENDING:
        return "waits in line, and is on no node yet."
    return "has a node, and its command has not started yet: try again in a moment."


def _count(job: Job, user: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [COUNTING_LOCK])
    limits: Sequence[tuple[int, int, str]] = (
        (
            open_sessions().filter(user=user).count(),
            settings.SESSIONS_PER_USER,
            "You have {} sessions, as many as one user may (TRAINYARD_SESSIONS_PER_USER). Leave one.",
        ),
        (
            open_sessions().filter(placement__attempt__job=job).count(),
            settings.SESSIONS_PER_JOB,
            f"There are {{}} sessions beside job {job.pk}, as many as may be (TRAINYARD_SESSIONS_PER_JOB).",
        ),
    )
    for found, most, words in limits:
        if found >= most:
            raise ConflictError(words.format(found))
