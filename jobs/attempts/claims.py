"""A node's right to run placements, or that of all nodes of a cluster: claiming, saying that they run, keeping leases.

Every function works on many placements in a few statements: an agent speaks once for all that it runs, and so does the
bridge of a cluster, which names the cluster instead of a node and itself sees to it that it speaks for it.
A placement is named with its token; with a token that is not that of the job's open attempt nothing happens.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs.attempts import gangs
from jobs.attempts.gangs import Rendezvous
from jobs.models import Job, Placement
from jobs.state import transitions
from jobs.state.desired import RUN, SUSPEND
from jobs.state.outcome import PlacementRef
from jobs.state.progress_clock import CLOCK_ANEW
from jobs.state.transitions import Transition
from scheduling.lifecycle import LEASED_STATES, JobState, PlacementState
from telemetry.origin import UNKNOWN, Origin
from workers.models import Node

# A node whose clock is wrong cannot have begun before its attempt was made, nor later than now.
WRITE_STARTS = """
    UPDATE jobs_attempt SET
        started_at = least(greatest(said.started_at, jobs_attempt.created_at), statement_timestamp())
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS said (attempt_id, started_at)
    WHERE jobs_attempt.id = said.attempt_id
"""
# Judged by the statement itself: recovery may close a placement between a look at it and the renewal of its lease.
RENEW_LEASES = """
    WITH held AS (
        SELECT placement.id, job.desired, job.suspended_at
        FROM unnest(%s::bigint[], %s::text[]) AS said (placement_id, token)
        JOIN jobs_placement AS placement ON placement.id = said.placement_id
        JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
        JOIN jobs_job AS job ON job.id = attempt.job_id
        JOIN workers_node AS node ON node.id = placement.node_id
        WHERE attempt.token::text = said.token AND placement.state = ANY(%s)
            AND coalesce(%s::bigint = node.id, %s::bigint = node.cluster_id)
        ORDER BY placement.id FOR NO KEY UPDATE OF placement
    )
    UPDATE jobs_placement AS placement SET lease_expires_at = statement_timestamp() + make_interval(secs => %s)
    FROM held WHERE placement.id = held.id
    RETURNING placement.id, held.desired, held.suspended_at
"""
# What a claim reads, and no more: the rest of a job's row, its reasons and metrics, may be long.
NEEDED_TO_RUN = (
    "state", "node_id", "rank", "cpus", "memory_mb", "gpu_indices", "attempt__token", "attempt__number", "attempt__job__name",
    "attempt__job__project__slug", "attempt__job__command", "attempt__job__working_dir", "attempt__job__env",
    "attempt__job__max_runtime_seconds", "attempt__job__stall_action", "attempt__job__stall_seconds",
    "attempt__job__grace_seconds", "attempt__job__nodes", "attempt__job__request_id", "attempt__job__traceparent",
    "attempt__master_port", "attempt__job__snapshot__digest", "attempt__job__secrets", "attempt__job__secret_files", "attempt__job__inputs",
    "attempt__job__environment",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlacementSpec:
    """All that a node needs to know to run one placement."""

    placement_id: int
    token: str
    job_id: int
    job_name: str
    attempt_id: int
    attempt: int
    project: str
    command: tuple[str, ...]
    working_dir: str
    env: Mapping[str, str]
    cpus: int
    memory_mb: int
    gpu_indices: tuple[int, ...]
    max_runtime_seconds: int | None
    rank: int = 0
    nodes: int = 1
    master_address: str = ""
    master_port: int = 0
    stall_action: str = "stop"
    stall_seconds: int | None = None
    grace_seconds: int | None = None
    origin: Origin = UNKNOWN
    code: str = ""
    """The digest of the snapshot in a copy of which it runs; empty: none."""
    secrets: tuple[str, ...] = ()
    """Names of what the node asks the site for, and no more: no value stands in the database's answer."""
    secret_files: Mapping[str, str] = field(default_factory=dict)
    """Of these, by name, what are files and how they are called."""
    inputs: bool = False
    """Whether it begins with outputs of other jobs."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """In what its command runs, see `scheduling.environments`; empty: what its node has."""

    @property
    def ids(self) -> dict[str, object]:
        """As a line about it has them."""
        return {"job": self.job_id, "attempt": self.attempt, "placement": self.placement_id, **self.origin.ids}

    @property
    def ref(self) -> PlacementRef:
        return PlacementRef(self.placement_id, self.token)


class Held(NamedTuple):
    """A placement that was claimed; `started`: its command is on record as running."""

    spec: PlacementSpec
    started: bool


@dataclass(frozen=True, slots=True)
class Renewal:
    """Which leases were renewed, and what is wished of the jobs behind each of them: see `jobs.state.desired`."""

    kept: frozenset[int]
    desired: Mapping[int, str]


@transaction.atomic
def claim(
    refs: Iterable[PlacementRef],
    *,
    node_id: int | None = None,
    cluster_id: int | None = None,
    agent_id: UUID | None = None,
) -> list[PlacementSpec]:
    """Take those placements that are this node's, open and unclaimed; the others are not in the answer.

    However many agents and messages ask for a placement, exactly one gets it. The member of a gang is taken whether
    or not the others are: the job is assigned with the last one. An agent that names itself gets nothing once another
    one speaks for its node.
    """
    refs, whose = list(refs), _whose(node_id, cluster_id)
    # 1. Is it still the node's agent that asks? One whose name was taken over meanwhile must begin nothing.
    if node_id is not None and agent_id is not None and not Node.objects.filter(pk=node_id, agent_id=agent_id).exists():
        return []
    # 2. What is there to take. Nothing is locked yet: most messages name one placement, and nobody else wants it.
    rows = _unclaimed(refs, whose)
    # 3. For gangs lock first, and read again: only under the lock does it stay true which members are missing, so that
    # exactly one of two who claim at once sees itself as the last. All the jobs, as step 4 must not lock further ones
    # out of order.
    rendezvous: Mapping[int, Rendezvous] = {}
    if gangs.among(rows):
        gangs.lock_jobs(rows)
        rows = _unclaimed(refs, whose)
        rendezvous = gangs.join(gangs.among(rows))
    early = [row for row in rows if row.attempt_id in rendezvous and not rendezvous[row.attempt_id].complete]
    # 4. The decision: the job moves from queued to assigned for one caller only. For an early member it does not move:
    # that is for the last one to do.
    moved = transitions.apply(
        [
            Transition(
                job_id=row.attempt.job_id,
                to=JobState.ASSIGNED,
                kind="claimed",
                expected=frozenset({JobState.QUEUED}),
                attempt=row.attempt.number,
            )
            for row in rows
            if row not in early
        ]
    )
    won = [row for row in rows if row in early or row.attempt.job_id in moved]
    # 5. The placements, under the locks of their jobs. The lease begins with the claim: an agent that dies before it has
    # launched anything is found out like any other.
    Placement.objects.filter(pk__in=[row.pk for row in won]).update(
        state=PlacementState.CLAIMED,
        claimed_at=Now(),
        claimed_by=agent_id,
        lease_expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS),
    )
    return [_spec(row, one.address if (one := rendezvous.get(row.attempt_id)) else "") for row in won]


def _whose(node_id: int | None, cluster_id: int | None) -> Q:
    return Q(node_id=node_id) if cluster_id is None else Q(node__cluster_id=cluster_id)


def _unclaimed(refs: Iterable[PlacementRef], whose: Q) -> list[Placement]:
    return [row for row in _open_placements(refs, whose) if row.state == PlacementState.PLACED]


@transaction.atomic
def started(
    moments: Mapping[PlacementRef, datetime], *, node_id: int | None = None, cluster_id: int | None = None
) -> frozenset[int]:
    """Record that commands run since the given moments; returns the placements for which that was news.

    A gang runs as soon as its first member does.
    """
    rows = [
        row for row in _open_placements(moments, _whose(node_id, cluster_id)) if row.state == PlacementState.CLAIMED
    ]
    moved = transitions.apply([_start_transition(row, moments[_ref(row)]) for row in rows])
    first = [row for row in rows if row.attempt.job_id in moved]
    # By the attempt's own columns: of a job that was tried before, `started_at` is that of its first start.
    with connection.cursor() as cursor:
        cursor.execute(WRITE_STARTS, [[row.attempt_id for row in first], [moments[_ref(row)] for row in first]])
    won = frozenset(row.pk for row in (*first, *gangs.among(rows)))
    # The state again: another member of a gang may have ended, and this one with it, before its job was locked.
    Placement.objects.filter(pk__in=won, state=PlacementState.CLAIMED).update(state=PlacementState.RUNNING)
    return won


def renew(refs: Sequence[PlacementRef], *, node_id: int | None = None, cluster_id: int | None = None) -> Renewal:
    """Extend the leases of all that a node or a cluster runs, in one statement, by the database's clock.

    A placement that is not in `kept` is not theirs any more: its command must be stopped.
    """
    ids, tokens = [ref.placement_id for ref in refs], [ref.token for ref in refs]
    with connection.cursor() as cursor:
        cursor.execute(RENEW_LEASES, [ids, tokens, list(LEASED_STATES), node_id, cluster_id, settings.LEASE_SECONDS])
        wanted = {pk: _desired(*columns) for pk, *columns in cursor.fetchall()}
    return Renewal(frozenset(wanted), wanted)


def claimed_not_started(node_id: int, agent_id: UUID) -> list[PlacementRef]:
    """What this agent has claimed for the node and not started, as far as the database knows."""
    rows = Placement.objects.filter(node=node_id, claimed_by=agent_id, state=PlacementState.CLAIMED)
    return [_ref(row) for row in rows.select_related("attempt").order_by("pk")]


def placed_on(cluster_id: int, most: int) -> list[PlacementRef]:
    """What waits to be claimed on the nodes of a cluster: the oldest first, the members of a gang together."""
    rows = Placement.objects.filter(node__cluster=cluster_id, state=PlacementState.PLACED)
    found = rows.order_by("attempt_id", "rank").values_list("pk", "attempt__token")
    return [PlacementRef(pk, str(token)) for pk, token in found[:most]]


def held_on(cluster_id: int) -> list[Held]:
    """All that was claimed on the nodes of a cluster and has not ended, whoever claimed it; by attempt and rank."""
    rows = Placement.objects.filter(node__cluster=cluster_id, state__in=LEASED_STATES)
    rows = rows.select_related("attempt__job__project").only(*NEEDED_TO_RUN).order_by("attempt_id", "rank")
    meeting = gangs.meeting_places(row.attempt_id for row in gangs.among(rows))
    return [Held(_spec(row, meeting.get(row.attempt_id, "")), row.state == PlacementState.RUNNING) for row in rows]


def desired(placement_ids: Sequence[int], suspended: Collection[int] = ()) -> dict[int, str]:
    """What is wished of the jobs behind these placements, where anything is; of the `suspended` ones also that nothing is."""
    rows = Placement.objects.filter(pk__in=placement_ids, closed_at__isnull=True)
    anything = ~Q(attempt__job__desired="") | Q(attempt__job__suspended_at__isnull=False) | Q(pk__in=suspended)
    found = rows.filter(anything).values_list("pk", "attempt__job__desired", "attempt__job__suspended_at")
    return {pk: _desired(desired, suspended_at) for pk, desired, suspended_at in found}


def desired_on(cluster_id: int) -> dict[int, str]:
    """What is wished of the jobs that hold places on the nodes of a cluster, where anything is."""
    rows = Placement.objects.filter(node__cluster=cluster_id, closed_at__isnull=True).exclude(attempt__job__desired="")
    return dict(rows.values_list("pk", "attempt__job__desired"))


def _desired(desired: str, suspended_at: datetime | None) -> str:
    """A suspension is the weakest wish: whatever else is wished wakes the job up."""
    return desired or (RUN if suspended_at is None else SUSPEND)


def _open_placements(refs: Iterable[PlacementRef], whose: Q) -> list[Placement]:
    tokens = {ref.placement_id: ref.token for ref in refs}
    rows = Placement.objects.filter(whose, pk__in=tokens, closed_at__isnull=True)
    rows = rows.select_related("attempt__job__project", "attempt__job__snapshot").only(*NEEDED_TO_RUN).order_by("pk")
    return [row for row in rows if same_token(row.attempt.token, tokens[row.pk])]


def same_token(token: UUID, text: str) -> bool:
    return str(token) == text


def _ref(row: Placement) -> PlacementRef:
    return PlacementRef(row.pk, str(row.attempt.token))


def _start_transition(row: Placement, moment: datetime) -> Transition:
    return Transition(
        job_id=row.attempt.job_id,
        to=JobState.RUNNING,
        kind="started",
        expected=frozenset({JobState.ASSIGNED}),
        attempt=row.attempt.number,
        changes={"progress_at": CLOCK_ANEW},
        started_at=moment,
    )


def _spec(row: Placement, master_address: str) -> PlacementSpec:
    job: Job = row.attempt.job
    return PlacementSpec(
        placement_id=row.pk,
        token=str(row.attempt.token),
        job_id=job.pk,
        job_name=job.name,
        attempt_id=row.attempt_id,
        attempt=row.attempt.number,
        project=job.project.slug,
        command=tuple(job.command),
        working_dir=job.working_dir,
        env=job.env,
        cpus=row.cpus,
        memory_mb=row.memory_mb,
        gpu_indices=tuple(row.gpu_indices),
        max_runtime_seconds=job.max_runtime_seconds,
        rank=row.rank,
        nodes=job.nodes,
        master_address=master_address,
        master_port=row.attempt.master_port or 0,
        stall_action=job.stall_action,
        stall_seconds=job.stall_seconds,
        grace_seconds=job.grace_seconds,
        origin=job.origin,
        code=job.snapshot.digest if job.snapshot else "",
        secrets=tuple(job.secrets),
        secret_files=job.secret_files,
        inputs=bool(job.inputs),
        environment=job.environment,
    )
