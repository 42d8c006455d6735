"""Quotas that another system keeps too, for the planner: as they were read last, with what others hold there. Nothing where there is none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.conf import settings

from quotas.models import NativeQuotaRow, Project
from quotas.providers.chosen import is_local, provider
from quotas.providers.syncing import is_away
from scheduling.native_quotas import NativeAmounts, NativeQuota
from scheduling.reasons import ReasonCode
from scheduling.resources import ZERO, Resources
from scheduling.snapshot import NodeView, RunningJob, WaitingJob

Ours = Mapping[str, tuple[Resources, int]]
"""By project, what its open placements hold on the provider's clusters, and how many they are."""


@dataclass(frozen=True, slots=True)
class NativeQuotas:
    """By project: its quota there; and of those for which nobody can know it now, why, as a sentence."""

    quotas: Mapping[str, NativeQuota] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)

    def held_back(self, waiting: tuple[WaitingJob, ...]) -> tuple[WaitingJob, ...]:
        """Jobs of projects whose quota nobody can know start nothing; what their own workload says comes first."""
        return tuple([self._held_back(job) for job in waiting]) if self.away else waiting

    def _held_back(self, job: WaitingJob) -> WaitingJob:
        sentence = self.away.get(job.project)
        if sentence is None or job.stopped:
            return job
        return replace(job, stopped=sentence, stopped_by=ReasonCode.QUOTA_PROVIDER_AWAY)


def read(running: Iterable[RunningJob], nodes: Sequence[NodeView], now: float) -> NativeQuotas:
    """In one statement; with `local` in none."""
    if is_local():
        return NativeQuotas()
    moment, ours = datetime.fromtimestamp(now, UTC), ours_by_project(running, nodes)
    quotas, away = dict[str, NativeQuota](), dict[str, str]()
    for project in Project.objects.select_related("native_quota").order_by("slug"):
        row: NativeQuotaRow | None = getattr(project, "native_quota", None)
        if row is None or is_away(row, moment):
            away[project.slug] = why_away(project.slug, row)
            continue
        quotas[project.slug] = quota_of(row, *ours.get(project.slug, (ZERO, 0)))
    return NativeQuotas(quotas, away)


def ours_by_project(running: Iterable[RunningJob], nodes: Iterable[NodeView]) -> Ours:
    """What counts there of ours: everything else there is others'."""
    kind = provider().kind
    there = {node.name for node in nodes if kind and node.executor == kind}
    found: dict[str, tuple[Resources, int]] = {}
    for job in running:
        for share in job.shares:
            if share.node in there:
                amount, number = found.get(job.project, (ZERO, 0))
                found[job.project] = (amount + share.amount, number + 1)
    return found


def quota_of(row: NativeQuotaRow, ours: Resources, placements: int) -> NativeQuota:
    """What is used there beyond ours is others'; less than ours is what has not got there yet, or has just ended."""
    mine = {"gpus": ours.gpus, "cpus": ours.cpus, "memory_mb": ours.memory_mb, "running_jobs": placements}
    others = {name: max(0, row.used.get(name, 0) - mine[name]) for name in row.hard}
    return NativeQuota(row.holder, NativeAmounts(**row.hard), NativeAmounts(**others))


def why_away(project: str, row: NativeQuotaRow | None) -> str:
    """For example: "What slurm allows project vision was last read at 2026-05-01 10:00:00 UTC: Slurm: ...".."""
    name = settings.QUOTA_PROVIDER
    if row is None or row.synced_at is None or row.provider != name:
        since = f"What {name} allows project {project} has not been read yet"
    else:
        since = f"What {name} allows project {project} was last read at {row.synced_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{since}: {row.fault}" if row is not None and row.fault else f"{since}."
