"""The jobs as the scheduling core sees them: those that wait, and those that hold a place on a node.

Plain statements, because a cycle reads ten thousand rows: moments come as seconds, names once for all rows that share
them, and equal requests are one object, which the planner is quick with.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from django.conf import settings

from jobs.models.queries import rows
from jobs.models.standings import dependencies
from jobs.planning import avoided_nodes, executors, moves, placement_facts, preemption, saved_work, workloads
from jobs.planning.executors import Executors, RequestOf, Requests
from jobs.planning.run_times import remaining
from jobs.planning.saved_work import SavedWork
from jobs.planning.workloads import STARTS, Standings
from jobs.state import desired, queue_age
from scheduling.resources import Resources
from scheduling.sharing.fair_tree import Account
from scheduling.snapshot import Allocation, MoveRoom, RunningJob, WaitingJob, WorkloadView

Dependencies = dict[int, tuple[int, ...]]
NOBODY = ""
ATTEMPT, WORKLOAD = 22, 24  # where these stand in the row of a waiting job
MOST_REQUESTS = 100_000  # with more the line is made anew, so that those that nobody asks for any more go
SERVER = "SELECT pg_postmaster_start_time()"
VERSIONS = "SELECT id, xmin::text || ctid::text FROM jobs_job WHERE state = 'pending' ORDER BY id"
"""Each waiting job with the transaction that wrote its row and where it lies: any change gives it another place."""
AS_IN_LINE = """
    SELECT id, project_id, queue_id, owner_id, priority, date_part('epoch', coalesce(in_line_since, created_at)),
           cpus, memory_mb, gpus, gpu_memory_mb, gpu_model, nodes, (node_labels || environment_labels)::text,
           max_runtime_seconds, estimated_runtime_seconds, date_part('epoch', deadline),
           date_part('epoch', greatest(not_before, begin_at)),
           CASE WHEN predicted_by <> 'project' THEN predicted_runtime_seconds END, checkpointable, preemptible, promised,
           CASE WHEN held_at IS NULL THEN '' WHEN held_reason = '' THEN held_by ELSE held_by || ' (' || held_reason || ')' END, attempt, name,
           workload_id, executor, date_part('epoch', begin_at), revision,
           xmin::text || ctid::text
    FROM jobs_job WHERE id = ANY(%s)
"""
WAITING = f"{AS_IN_LINE} AND state = 'pending'"
RUNNING = """
    SELECT job.id, job.project_id, job.queue_id, job.owner_id, job.priority,
           job.cpus, job.memory_mb, job.gpus, job.gpu_memory_mb, job.gpu_model, job.nodes, (job.node_labels || job.environment_labels)::text,
           node.name, placement.cpus, placement.memory_mb, placement.gpu_indices, placement.rank,
           date_part('epoch', placement.created_at), date_part('epoch', attempt.started_at),
           job.max_runtime_seconds, job.checkpointable, job.preemptible,
           date_part('epoch', job.checkpoint_at), job.desired <> '' OR attempt.end_reason <> '',
           date_part('epoch', statement_timestamp() - coalesce(attempt.started_at, placement.created_at)),
           job.predicted_runtime_seconds, job.estimated_runtime_seconds,
           job.suspended_seconds + coalesce(date_part('epoch', statement_timestamp() - job.suspended_at), 0),
           date_part('epoch', job.suspended_at), preemption.for_job_id, job.name, job.grace_seconds, job.workload_id, job.executor, job.desired
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN workers_node AS node ON node.id = placement.node_id
    LEFT JOIN jobs_preemption AS preemption ON preemption.attempt_id = attempt.id
    WHERE placement.closed_at IS NULL
    ORDER BY job.id, placement.rank
"""
RUNNING_OF = RUNNING.replace("closed_at IS NULL", "closed_at IS NULL AND job.project_id = ANY(%s)")
READY = """
    SELECT link.job_id, date_part('epoch', max(needed.finished_at))
    FROM jobs_jobdependency AS link JOIN jobs_job AS needed ON needed.id = link.needs_id
    WHERE link.job_id = ANY(%s) GROUP BY link.job_id
"""
NAMES = """
    SELECT 0, id, slug FROM quotas_project
    UNION ALL SELECT 1, id, name FROM jobs_queue
    UNION ALL SELECT 2, id, username FROM auth_user
    UNION ALL SELECT 3, id, executor FROM jobs_queue
    UNION ALL SELECT 4, min(cluster_id), '' FROM workers_node WHERE cluster_id IS NOT NULL AND removed_at IS NULL HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the rows of jobs leave out: names, dependencies, how often they gave way, where they ran, what was freed for them.

    An owner who was deleted is missing.
    """

    projects: dict[int, str] = field(default_factory=dict)
    queues: dict[int, str] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    unmet: Dependencies = field(default_factory=dict)
    broken: Dependencies = field(default_factory=dict)
    needs_end: Dependencies = field(default_factory=dict)
    needs_failure: Dependencies = field(default_factory=dict)
    preemptions: dict[int, int] = field(default_factory=dict)
    near: dict[int, tuple[str, ...]] = field(default_factory=dict)
    avoid: dict[int, tuple[str, ...]] = field(default_factory=dict)
    ready: dict[int, float] = field(default_factory=dict)  # when the last of their dependencies ended
    room: dict[int, tuple[Allocation, ...]] = field(default_factory=dict)
    moving: dict[int, tuple[Allocation, ...]] = field(default_factory=dict)  # what is kept for those that move
    saved: SavedWork = saved_work.NOTHING
    with_kinds: bool = False  # what jobs have in common is asked for by some strategies alone
    workloads: Standings = field(default_factory=dict)
    executors: Executors = executors.AGENTS_ALONE

    @property
    def names(self) -> tuple[dict[int, str], ...]:
        return self.projects, self.queues, self.owners

    @property
    def shared(self) -> tuple[object, ...]:
        """What stands in many jobs and in the row of none."""
        return self.names, self.executors, self.with_kinds

    @property
    def special(self) -> set[int]:
        """The jobs of which more is known than names."""
        known = (
            self.unmet, self.broken, self.preemptions, self.near, self.avoid, self.ready, self.room, self.moving,
            self.saved.seconds,
        )  # fmt: skip
        return set(self.saved.saves_nothing).union(*(one.keys() for one in known))


def read_names() -> JobContext:
    known = JobContext(with_kinds=placement_facts.goes_by_job(settings.PLACEMENT))
    of_queues, clusters = dict[int, str](), dict[int, str]()
    for kind, number, name in rows(NAMES):
        (*known.names, of_queues, clusters)[kind][number] = name
    return replace(known, executors=Executors(of_queues, with_clusters=bool(clusters)))


def read_all(*, tried: bool, with_saved: bool, with_kinds: bool) -> JobContext:
    """All of it. `tried`: a job that waits had an attempt before; else nobody has saved or failed anything anywhere."""
    near, avoid = (preemption.last_nodes(), avoided_nodes.failed_on()) if tried else ({}, {})
    counts, needs, rooms, moving = preemption.counts(), dependencies(), preemption.rooms(), moves.rooms()
    saved = saved_work.of_unfinished() if with_saved else saved_work.NOTHING
    facts: dict[str, Any] = {"near": near, "avoid": avoid, "room": rooms, "moving": moving, "saved": saved}
    facts |= {"workloads": workloads.standings(), "with_kinds": with_kinds}
    return replace(read_names(), **needs, **facts, preemptions=counts)


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What a job holds on one node, and since when: for its account's usage."""

    account: Account
    share: Allocation
    since: float


@dataclass(frozen=True, slots=True)
class JobRows:
    """The jobs that have not ended; `held` goes by the order of the running jobs and their shares."""

    waiting: tuple[WaitingJob, ...]
    running: tuple[RunningJob, ...]
    held: Sequence[AccountUsage]
    kept: tuple[MoveRoom, ...] = ()  # for those of the running ones that move
    workloads: tuple[WorkloadView, ...] = ()


def read(*, with_saved: bool = False, with_kinds: bool = False) -> JobRows:
    """All of them; where a floor is kept also what each has saved of its work, and for some strategies its kind.

    The jobs are read first, then what they depend on, then names: so no job that came in meanwhile lacks its
    dependencies, and none names what is not known yet.
    """
    in_line, placed = line.read(), rows(RUNNING)
    tried = any(row.columns[ATTEMPT] for row in in_line.rows.values())
    known = read_all(tried=tried, with_saved=with_saved, with_kinds=with_kinds)
    jobs = _running(placed, known)
    kept = tuple(MoveRoom(job.id, known.moving[job.id]) for job in jobs if job.id in known.moving)
    return JobRows(line.of(in_line, known), jobs, _account_usage(placed, jobs), kept, workloads.capped(known.workloads))


def in_line_before(job_ids: Sequence[int]) -> dict[int, WaitingJob]:
    """These jobs as they stood in line, though they run or have ended by now."""
    placed = rows(AS_IN_LINE, job_ids) if job_ids else []
    known = replace(read_names(), ready=dict(rows(READY, job_ids))) if placed else JobContext()
    request_of = Requests().of
    return {row[0]: _waiting_job(row, known, request_of) for row in placed}


def running(projects: Collection[int] | None = None) -> tuple[RunningJob, ...]:
    """The jobs that hold open placements, of all projects or of these, without what they did before."""
    return _running(rows(RUNNING) if projects is None else rows(RUNNING_OF, list(projects)), read_names())


class WaitingRow(NamedTuple):
    """A waiting job's row as it was last read; `version` says who wrote it, and where it lies."""

    version: str
    columns: tuple[Any, ...]


class ReadRows(NamedTuple):
    """The rows of all waiting jobs, and the server that they came from: another one may use a version again."""

    server: Any
    rows: dict[int, WaitingRow]


class PendingJobs:
    """The waiting jobs as they were read last: most of them still wait and are as they were, and are not read anew.

    To read ten thousand rows and to make frozen values of them takes longer than to plan, and a cycle follows each event.
    """

    def __init__(self) -> None:
        self._read = ReadRows(None, {})
        self._made: tuple[Any, dict[int, tuple[WaitingRow | None, WaitingJob]], Requests] = ((), {}, Requests())
        self._workloads: Standings = {}

    def read(self) -> ReadRows:
        """The rows of all that wait now; only those are fetched whole that were written since the last time.

        Threads may ask at once: each leaves a whole reading to the next.
        """
        # After a restart of the server, or on a copy of it, transaction ids may come again for other rows.
        [(server,)] = rows(SERVER)
        before = self._read.rows if self._read.server == server else {}
        versions = rows(VERSIONS)
        found = {job_id: before.get(job_id) for job_id, _ in versions}
        changed = [job_id for job_id, version in versions if (row := found[job_id]) is None or row.version != version]
        fetched = rows(WAITING, changed) if changed else []
        found |= dict.fromkeys(changed) | {row[0]: WaitingRow(row[-1], row) for row in fetched}
        self._read = ReadRows(server, {job_id: row for job_id, row in found.items() if row is not None})
        return self._read

    def of(self, reading: ReadRows, known: JobContext) -> tuple[WaitingJob, ...]:
        """The jobs of these rows."""
        made_with, seen, requests = self._made
        # A name that has changed stands in all that was made of it, and a kind where one is asked for.
        if known.shared != made_with or len(requests) > MOST_REQUESTS:
            seen, requests = {}, Requests()
        changed, self._workloads = workloads.changed(self._workloads, known.workloads), known.workloads
        request_of, special = requests.of, known.special
        fresh: dict[int, tuple[WaitingRow | None, WaitingJob]] = {}
        for job_id, row in reading.rows.items():
            before = seen.get(job_id)
            if job_id in special:  # what else makes it up may change while its row does not
                fresh[job_id] = (None, _waiting_job(row.columns, known, request_of))
            elif before is not None and before[0] is row and row.columns[WORKLOAD] not in changed:
                fresh[job_id] = before
            else:
                fresh[job_id] = (row, _waiting_job(row.columns, known, request_of))
        self._made = (known.shared, fresh, requests)
        return tuple([job for _, job in fresh.values()])


line = PendingJobs()


def _waiting_job(row: tuple[Any, ...], known: JobContext, request_of: RequestOf) -> WaitingJob:
    project, owner, request = (
        known.projects[row[1]],
        known.owners.get(row[3], NOBODY),
        request_of((*row[6:13], known.executors.of(row[25], row[2]))),
    )
    return WaitingJob(
        id=row[0],
        project=project,
        queue=known.queues[row[2]],
        owner=owner,
        priority=row[4],
        submitted_at=row[5],
        eligible_at=queue_age.eligible_at(row[5], row[16], known.ready.get(row[0]), row[26]),
        request=request,
        max_runtime_seconds=row[13],
        estimated_runtime_seconds=row[14],
        deadline=row[15],
        revision=row[27],
        not_before=row[16],
        predicted_seconds=row[17],
        checkpointable=row[18] and row[0] not in known.saved.saves_nothing,
        preemptible=row[19],
        promised=row[20] or row[0] in known.moving,
        held=row[21],
        attempts=row[22],
        kind=placement_facts.kind_of(project, owner, row[23], request) if known.with_kinds else "",
        workload=workloads.key(row[WORKLOAD]),
        stopped=known.workloads.get(row[WORKLOAD], STARTS).stopped,
        unmet=known.unmet.get(row[0], ()),
        broken=known.broken.get(row[0], ()),
        needs_end=known.needs_end.get(row[0], ()),
        needs_failure=known.needs_failure.get(row[0], ()),
        preemptions=known.preemptions.get(row[0], 0),
        near=known.near.get(row[0], ()),
        avoid=known.avoid.get(row[0], ()),
        room=known.moving.get(row[0]) or known.room.get(row[0], ()),
        pinned=row[0] in known.moving,
        saved_seconds=known.saved.seconds.get(row[0], 0.0),
    )


def _running(placed: Sequence[Any], known: JobContext) -> tuple[RunningJob, ...]:
    # In the statement's order, so that rank 0 comes first.
    members: dict[int, list[Any]] = defaultdict(list)
    for row in placed:
        members[row[0]].append(row)
    request_of = Requests().of
    return tuple(_running_job(job_id, shares, known, request_of) for job_id, shares in members.items())


def _account_usage(placed: Sequence[Any], jobs: Sequence[RunningJob]) -> list[AccountUsage]:
    shares = ((Account(job.project, job.owner), share) for job in jobs for share in job.shares)
    return [AccountUsage(account, share, row[17]) for (account, share), row in zip(shares, placed, strict=True)]


def _running_job(job_id: int, members: Sequence[Any], known: JobContext, request_of: RequestOf) -> RunningJob:
    _, project, queue, owner, priority, *_ = first = members[0]
    placed_at, started_at, max_runtime, checkpointable, preemptible, checkpoint_at, leaving, since = first[17:25]
    stood_still, suspended_at, leaving_for = first[27:30]
    begins = (started_at or placed_at) + stood_still  # the clock of its limit stands still while it is suspended
    slug, name = known.projects[project], known.owners.get(owner, NOBODY)
    request = request_of((*first[5:12], known.executors.of(first[33], queue)))
    return RunningJob(
        id=job_id,
        project=slug,
        queue=known.queues[queue],
        owner=name,
        priority=priority,
        request=request,
        kind=placement_facts.kind_of(slug, name, first[30], request) if known.with_kinds else "",
        workload=workloads.key(first[32]),
        shares=tuple(
            Allocation(row[12], Resources(row[13], row[14], len(row[15])), tuple(row[15]), row[16]) for row in members
        ),
        started_at=started_at,
        expected_end=begins + max_runtime if max_runtime else None,
        predicted_end=_predicted_end(first, begins, since - stood_still, max_runtime),
        checkpointable=checkpointable and job_id not in known.saved.saves_nothing,
        preemptible=preemptible,
        preemptions=known.preemptions.get(job_id, 0),
        checkpoint_at=checkpoint_at,
        leaving=leaving,
        leaves_to=desired.leaves_to(first[34]),
        suspended_since=suspended_at,
        leaving_for=leaving_for,
        saved_seconds=known.saved.seconds.get(job_id, 0.0),
        placed_at=placed_at,
        gone_by=(started_at or placed_at) + since + preemption.time_to_go(first[31]) if leaving else None,
    )


def _predicted_end(row: Sequence[Any], begins: float, ran: float, limit: float | None) -> float | None:
    """By what was learned, else by what its owner expects."""
    expected, estimated = row[25:27]
    if expected is not None:
        return begins + ran + remaining(expected, ran, limit)
    return begins + min(estimated, limit or estimated) if estimated else None
