"""Rows to a Snapshot: the only translator between the database and the scheduling core."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from jobs.models import Cycle, Queue
from jobs.models.planning import Reservation as ReservationRow
from jobs.planning import budgets, fair_share, job_rows, placement_facts, preemption
from jobs.planning.floor import floor_shadow
from jobs.planning.placement_facts import goes_by_job
from jobs.planning.policy_settings import rules
from jobs.secrets import missing
from jobs.usage import native_quotas
from quotas.clock import database_now
from quotas.models import Project, Quota
from scheduling.executors import ClusterView
from scheduling.longest_wait import LongestWait
from scheduling.native_quotas import NativeQuota
from scheduling.nodes.gang_places import with_gangs_in_one_place
from scheduling.placement.weights import weights_from
from scheduling.snapshot import (
    Gpu,
    Limits,
    LoanLimits,
    NodeView,
    ProjectView,
    QueueView,
    Reservation,
    Snapshot,
)
from workers import protocol
from workers.clusters import why_silent
from workers.models import Cluster

MOST_NODES = 20_000
UNDERSTOOD = [str(number) for number in range(protocol.OLDEST, protocol.PROTOCOL + 1)]
# A node whose disk is full drains by itself for as long as it is: nobody has to cordon it, nor to lift that again. So does
# one whose agent speaks a protocol that this release does not understand.
NODES = """
    SELECT node.name, cpus, memory_mb, gpus::text,
           CASE WHEN state = 'up' AND (
               load @> '{"disk_full": true}' OR coalesce(load -> 'protocol', '0') <> ALL(%s::jsonb[])
           ) THEN 'draining' ELSE state END,
           coalesce(node.last_heartbeat_at >= statement_timestamp() - make_interval(secs => %s), false), labels::text,
           coalesce(load -> 'gpus_out', '[]')::text, coalesce(load -> 'gpus_taken', '[]')::text,
           coalesce(cluster.kind, 'agent'), coalesce(cluster.name, ''), extract(epoch FROM leaves_at)::float8
    FROM workers_node AS node LEFT JOIN workers_cluster AS cluster ON cluster.id = node.cluster_id
    WHERE removed_at IS NULL ORDER BY node.name
"""
NONE_OUT = ("[]", "[]")
NO_NATIVE: Mapping[str, NativeQuota] = {}


def take_snapshot() -> Snapshot:
    """Everything that one planning pass looks at, read in the caller's transaction by the database's clock."""
    now = database_now().timestamp()
    knobs = rules()
    under_floor = floor_shadow.is_kept(knobs)
    jobs = job_rows.read(with_saved=under_floor, with_kinds=goes_by_job(knobs.placement))
    there = nodes(usable=True)
    native = native_quotas.read(jobs.running, there, now)
    waiting = missing.held_back(native.held_back(jobs.waiting))
    paying = budgets.hard_budgets(now)
    shadow, ended = floor_shadow.read(waiting, jobs.running, now) if under_floor else (None, ())
    told = placement_facts.read(waiting, jobs.running, there, now, knobs.placement)
    snapshot = Snapshot(
        waiting=waiting,
        running=jobs.running,
        nodes=told.nodes,
        queues=queues(),
        projects=projects(native.quotas),
        taken_at=now,
        rules=knobs,
        reservations=reservations(now),
        usage=fair_share.usage(now, jobs.held),
        recent_preemptions=preemption.recent(),
        ended=ended,
        shadow=shadow,
        longest_wait=longest_wait(),
        budgets=paying,
        prices=told.prices or budgets.prices_for(paying, jobs.running, now),
        speeds=told.speeds,
        kept=jobs.kept,
        workloads=jobs.workloads,
        silent_clusters=silent_clusters(told.nodes),
    )
    # The planner does so too, for jobs that are added later; here it is for those that read a gang's request beside its plan.
    return with_gangs_in_one_place(snapshot)


def silent_clusters(known: Sequence[NodeView]) -> tuple[ClusterView, ...]:
    """Those that do not answer, with what is known of it; nothing is asked where no node is a cluster's."""
    if not any(node.cluster for node in known):
        return ()
    rows: Iterable[Any] = Cluster.objects.annotate(now=Now()).order_by("name")
    return tuple(
        ClusterView(
            row.name, row.kind, row.reached_at.timestamp() if row.reached_at else None, why_silent(row, row.now)
        )
        for row in rows
        if not row.is_reached(row.now)
    )


def longest_wait() -> LongestWait:
    """As the last cycle left it."""
    known = Cycle.objects.filter(pk=1).values_list("longest_wait", "longest_wait_at").first()
    return LongestWait(*known) if known else LongestWait()


def nodes(*, usable: bool = False) -> tuple[NodeView, ...]:
    """Every node that ever registered; one whose last heartbeat is older than a lease is not alive.

    With `usable` GPUs are left out that reported an error, or that others than we use in a cluster: they are still this
    node's, but nothing of ours may start there now.
    """
    with connection.cursor() as cursor:
        cursor.execute(NODES, [UNDERSTOOD, settings.LEASE_SECONDS])
        rows = cursor.fetchall()
        return tuple(
            NodeView(
                name,
                cpus,
                memory_mb,
                _gpus(gpus, *((out, taken) if usable else NONE_OUT)),
                state,
                alive,
                _labels(labels),
                executor=executor,
                cluster=cluster,
                leaves_at=leaves_at,
            )
            for name, cpus, memory_mb, gpus, state, alive, labels, out, taken, executor, cluster, leaves_at in rows
        )


# What a machine has hardly ever changes, and to read it takes longer than all the rest.
@lru_cache(maxsize=MOST_NODES)
def _gpus(text: str, out: str, taken: str) -> tuple[Gpu, ...]:
    left_out = {*(gpu["index"] for gpu in json.loads(out)), *json.loads(taken)}
    return tuple(
        Gpu(gpu["index"], gpu.get("model", ""), gpu.get("memory_mb", 0))
        for gpu in json.loads(text)
        if gpu["index"] not in left_out
    )


@lru_cache(maxsize=MOST_NODES)
def _labels(text: str) -> Mapping[str, str]:
    labels: dict[str, str] = json.loads(text)
    return labels


def queues() -> tuple[QueueView, ...]:
    return tuple(
        QueueView(
            queue.name,
            queue.rank,
            queue.state,
            queue.max_running,
            queue.policy,
            weights_from(queue.placement_weights) if queue.placement_weights else None,
            of_each_user(queue),
        )
        for queue in Queue.objects.order_by("name")
    )


def projects(native: Mapping[str, NativeQuota] = NO_NATIVE) -> tuple[ProjectView, ...]:
    """The tree, with what another system allows where that is given."""
    rows: Iterable[Project] = (
        Project.objects.select_related("quota").annotate(parent_slug=F("parent__slug")).order_by("slug")
    )
    return tuple(
        ProjectView(row.slug, getattr(row, "parent_slug", None), _limits(row), row.weight, native.get(row.slug))
        for row in rows
    )


def _limits(project: Project) -> Limits | None:
    quota: Quota | None = getattr(project, "quota", None)
    if quota is None:
        return None
    return Limits(
        gpus=quota.gpus,
        cpus=quota.cpus,
        memory_mb=quota.memory_mb,
        running_jobs=quota.running_jobs,
        waiting_jobs=quota.waiting_jobs,
        enforced=quota.enforced,
        borrowing=LoanLimits(quota.borrowing_gpus, quota.borrowing_cpus, quota.borrowing_memory_mb),
        lending=LoanLimits(quota.lending_gpus, quota.lending_cpus, quota.lending_memory_mb),
        each_user=_any_limit(
            Limits(
                quota.user_gpus,
                quota.user_cpus,
                quota.user_memory_mb,
                quota.user_running_jobs,
                quota.user_waiting_jobs,
                gpu_seconds_ahead=quota.user_gpu_seconds_ahead,
            )
        ),
        max_nodes=quota.max_nodes,
        gpu_models=tuple(sorted(quota.gpu_models.items())),
        gpu_seconds_ahead=quota.gpu_seconds_ahead,
    )


def of_each_user(queue: Queue) -> Limits | None:
    """What one user's jobs in the queue may hold at once; None: as much as there is."""
    return _any_limit(Limits(gpus=queue.max_gpus_per_user, running_jobs=queue.max_running_per_user))


def _any_limit(limits: Limits) -> Limits | None:
    return None if limits == Limits() else limits


def reservations(now: float) -> tuple[Reservation, ...]:
    """Those that have not ended."""
    # By the snapshot's moment, not by the clock again: what the picture holds must belong to one time.
    found = ReservationRow.objects.filter(end__gt=datetime.fromtimestamp(now, UTC)).annotate(
        node_names=ArrayAgg("nodes__name")
    )
    columns = found.order_by("start", "name").values_list("name", "node_names", "start", "end", "project__slug")
    return tuple(
        Reservation(name, tuple(sorted(nodes)), start.timestamp(), end.timestamp(), project)
        for name, nodes, start, end, project in columns
    )
