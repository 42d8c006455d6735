"""What a provider of quotas is asked, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from quotas.models import Project, Quota
from scheduling.errors import FieldError
from scheduling.native_quotas import NativeAmounts, NativeQuota
from scheduling.resources import Request
from scheduling.sharing.admission import beyond_quota
from scheduling.sharing.associations import by_provider

NO_LIMITS = NativeAmounts()


class ProviderError(Exception):
    """Why the provider could not be asked, or did not do what it was asked, as a sentence."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the other system says of one project: its name for the quota, the hard limits, and all that is used of them, by whomever."""

    holder: str
    hard: NativeAmounts = NO_LIMITS
    used: NativeAmounts = NO_LIMITS
    fault: str = ""
    """Why this project's could not be brought in line, or read, while others' could: what it had on record ages."""


class QuotaProvider(Protocol):
    """One class an entry point of `trainyard.quota_providers`, made without arguments, once in a process. Projects go by their slugs.

    Everything may raise ProviderError but `check_quota`, which goes by what is known.
    """

    kind: str
    """The kind of clusters whose workloads it counts: `kubernetes`, `slurm`; empty: it counts nothing of its own."""

    def get_quota(self, project_id: str) -> Standing | None:
        """As the other system has it at this moment; None: it has none for the project."""

    def check_quota(self, project_id: str, resources: Request, job_type: str) -> Sequence[FieldError]:
        """Why a job like this could never run for the project; `job_type` is its queue. Asked when a job is submitted."""

    def allocate_quota(self, project_id: str, resources: Request, job_id: int) -> None:
        """A job starts. The platform derives use from open placements, and native systems count what runs there: nothing to do for either."""

    def release_quota(self, project_id: str, resources: Request, job_id: int) -> None:
        """The same for a job's end."""

    def sync(self, project_id: str | None = None) -> Mapping[str, Standing]:
        """Bring the other system's quotas in line with ours where they are ours to set, and read them back: of one project, or of all in one call."""


class CountsByItself:
    """What providers have in common whose system counts for itself what runs there."""

    def allocate_quota(self, project_id: str, resources: Request, job_id: int) -> None:
        """Changes nothing: the job's workload counts there as soon as it is there."""

    def release_quota(self, project_id: str, resources: Request, job_id: int) -> None:
        """Changes nothing: the workload counts no more as soon as it is gone."""

    def check_quota(self, project_id: str, resources: Request, job_type: str) -> Sequence[FieldError]:
        """By the hard limits as they were read last: the other system would let such a job wait for ever, without a word."""
        row = (
            Project.objects.filter(slug=project_id, native_quota__synced_at__isnull=False)
            .select_related("native_quota")
            .first()
        )
        if row is None:
            return ()
        cap = by_provider(project_id, NativeQuota(row.native_quota.holder, NativeAmounts(**row.native_quota.hard)))
        return tuple(beyond_quota(resources, [cap]))


def wanted(project_id: str | None = None) -> dict[str, NativeAmounts]:
    """By project, what our rows say that its own jobs may hold at the most, borrowed or not; what is only observed limits nothing."""
    projects = Project.objects.select_related("quota").order_by("slug")
    rows = projects if project_id is None else projects.filter(slug=project_id)
    return {row.slug: _limits(getattr(row, "quota", None), may_borrow=row.parent_id is not None) for row in rows}


def _limits(quota: Quota | None, *, may_borrow: bool) -> NativeAmounts:
    if quota is None or not quota.enforced:
        return NO_LIMITS
    own = {"gpus": quota.gpus, "cpus": quota.cpus, "memory_mb": quota.memory_mb}
    loans = {name: getattr(quota, f"borrowing_{name}") or 0 for name in own} if may_borrow else dict.fromkeys(own, 0)
    most = {name: None if amount is None else amount + loans[name] for name, amount in own.items()}
    return NativeAmounts(**most, running_jobs=quota.running_jobs)
