"""What one user may hold in a project, and in a queue: an association (Slurm's word for a user in an account or a partition).

It counts like one more project above the job, whose quota is what each user may hold there. So does a workload that runs
only so many of its jobs at once, and a quota that another system keeps.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from scheduling.native_quotas import NativeQuota
from scheduling.reasons import ReasonCode, listed, quantity
from scheduling.resources import Resources, total
from scheduling.sharing.quotas import NOTHING_USED, Usage, enforced
from scheduling.snapshot import (
    Limits,
    ProjectView,
    QueueView,
    RunningJob,
    Snapshot,
    WaitingJob,
    WorkloadView,
    chain_of,
)


@dataclass(frozen=True, slots=True)
class Association(ProjectView):
    """One user in a project and all below it, or in a queue. Its slug is no project's."""

    user: str = ""
    project: str = ""
    queue: str = ""

    @property
    def holder(self) -> str:
        return f"The quota of project {self.project} for a user" if self.project else f"Queue {self.queue} for a user"

    @property
    def allows(self) -> str:
        place = f"The quota of project {self.project}" if self.project else f"Queue {self.queue}"
        return f"{place} allows a user"

    def covers(self, job: WaitingJob | RunningJob, projects: Mapping[str, ProjectView]) -> bool:
        """Whether the job counts in it."""
        if job.owner != self.user:
            return False
        if self.queue:
            return job.queue == self.queue
        return any(one.slug == self.project for one in chain_of(job.project, projects))

    @property
    def code(self) -> ReasonCode:
        return ReasonCode.QUOTA if self.project else ReasonCode.QUEUE_LIMIT


@dataclass(frozen=True, slots=True)
class WorkloadCap(ProjectView):
    """How many jobs of one workload may run at once. Its slug is no project's."""

    key: str = ""
    name: str = ""

    @property
    def holder(self) -> str:
        return f"Workload {self.name}"

    def covers(self, job: WaitingJob | RunningJob, _: Mapping[str, ProjectView]) -> bool:
        """Whether the job counts in it."""
        return job.workload == self.key

    @property
    def code(self) -> ReasonCode:
        return ReasonCode.WORKLOAD_LIMIT


@dataclass(frozen=True, slots=True)
class ProviderCap(ProjectView):
    """What another system allows the jobs of one project. Its slug is no project's."""

    project: str = ""
    others: Usage = NOTHING_USED  # what holds some of it there and is no job of ours
    name: str = ""

    @property
    def holder(self) -> str:
        return self.name

    @property
    def allows(self) -> str:
        """With what others hold there, as it counts as in use: nobody here can name them."""
        sizes = {name: getattr(self.others.amount, name) for name in ("gpus", "cpus", "memory_mb")}
        sizes["running_jobs"] = self.others.running_jobs
        held = [quantity(name, size) for name, size in sizes.items() if size]
        return f"{self.name}, of which others there hold {listed(held)}, allows" if held else f"{self.name} allows"

    def covers(self, job: WaitingJob | RunningJob, _: Mapping[str, ProjectView]) -> bool:
        """Whether the job counts in it."""
        return job.project == self.project


Part: TypeAlias = Association | WorkloadCap | ProviderCap


class Associations:
    """All that limit anything in a snapshot, found by the jobs that count in them."""

    def __init__(
        self, projects: Mapping[str, ProjectView], queues: Iterable[QueueView], workloads: Iterable[WorkloadView] = ()
    ) -> None:
        self._projects = projects
        self._in_projects = {slug: most for slug, one in projects.items() if (most := each_user(one)) is not None}
        self._in_queues = {one.name: one.each_user for one in queues if one.each_user is not None}
        self._workloads = {one.key: in_workload(one) for one in workloads}
        self._native = {slug: by_provider(slug, one.native) for slug, one in projects.items() if one.native is not None}
        self._known: dict[tuple[str, str, str], tuple[Association | ProviderCap, ...]] = {}

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot) -> "Associations":
        return cls({one.slug: one for one in snapshot.projects}, snapshot.queues, snapshot.workloads)

    def __bool__(self) -> bool:
        return bool(self._in_projects or self._in_queues or self._workloads or self._native)

    def of(self, job: WaitingJob | RunningJob) -> tuple[Part, ...]:
        """Those in which the job counts, the nearest project's first, its workload's last. A job of nobody counts in no user's."""
        if not self:
            return ()
        users = self.between(job.project, job.queue, job.owner)
        cap = self._workloads.get(job.workload)
        return users if cap is None else (*users, cap)

    def between(self, project: str, queue: str, user: str) -> tuple[Association | ProviderCap, ...]:
        """Those in which a job of the user in the project and the queue counts."""
        key = (project, queue, user)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(self._find(*key))
        return found

    def _find(self, project: str, queue: str, owner: str) -> Iterable[Association | ProviderCap]:
        for one in chain_of(project, self._projects) if self._in_projects and owner else ():
            if one.slug in self._in_projects:
                yield in_project(one.slug, self._in_projects[one.slug], owner)
        if queue in self._in_queues and owner:
            yield in_queue(queue, self._in_queues[queue], owner)
        if project in self._native:
            yield self._native[project]

    def usage(self, running: Iterable[RunningJob]) -> dict[str, Usage]:
        """What users and workloads hold where that is limited; in what another system allows, with what others hold there."""
        usage = {one.slug: one.others for one in self._native.values()}
        for job in running if self else ():
            held = total(share.amount for share in job.shares)
            for one in self.of(job):
                usage[one.slug] = usage.get(one.slug, NOTHING_USED).plus_job(held)
        return usage


def each_user(project: ProjectView) -> Limits | None:
    """What one user may hold in the project, where that holds jobs back."""
    limits = enforced(project)
    return None if limits is None else limits.each_user


def in_project(slug: str, most: Limits, user: str) -> Association:
    return Association(f"{slug}/{user}", limits=most, user=user, project=slug)


def in_queue(name: str, most: Limits, user: str) -> Association:
    return Association(f"queue {name}/{user}", limits=most, user=user, queue=name)


def by_provider(slug: str, native: NativeQuota) -> ProviderCap:
    gpus, cpus, memory_mb, jobs = (amount or 0 for amount in native.others)
    others = Usage(Resources(cpus, memory_mb, gpus), jobs)
    limits = Limits(**native.hard._asdict())
    return ProviderCap(f"{slug} by provider", limits=limits, project=slug, others=others, name=native.holder)


def in_workload(view: WorkloadView) -> WorkloadCap:
    most = Limits(running_jobs=view.max_running)
    return WorkloadCap(f"workload {view.key}", limits=most, key=view.key, name=view.name)
