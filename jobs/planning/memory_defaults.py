"""Memory for jobs that name none, where a quota limits it: without, they would count as nothing and could use everything."""

from collections.abc import Collection, Mapping

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest

from jobs.models import Job
from jobs.state import transitions
from scheduling import memory_units
from scheduling.lifecycle import JobState
from scheduling.reasons import gigabytes
from scheduling.resources import Request
from scheduling.snapshot import ProjectView, Snapshot, chain_of


def default_mb(cpus: int, gpus: int) -> int:
    """What a job on so many cores and GPUs of each node gets; 0 where the operator has set no default."""
    return max(cpus * _mb_per_cpu(), gpus * _mb_per_gpu())


def is_limited(slug: str, tree: Mapping[str, ProjectView]) -> bool:
    """Whether a quota of this project, or of one above it, counts memory, enforced or only observed."""
    if slug not in tree:
        return False
    limits = [one.limits for one in chain_of(slug, tree) if one.limits is not None]
    each_user = [one.each_user for one in limits if one.each_user is not None]
    return any(one.memory_mb is not None for one in (*limits, *each_user))


def sentence(memory_mb: int) -> str:
    """For the job's history and for refusals: where an amount comes from that its owner did not name."""
    return (
        f"It names no memory, which a quota limits: it gets {gigabytes(memory_mb)} on each node, by the platform's "
        f"default of {gigabytes(_mb_per_cpu())} for each CPU or {gigabytes(_mb_per_gpu())} for each GPU."
    )


def fill(snapshot: Snapshot) -> bool:
    """Give waiting jobs their default that came before the quota which now limits them; whether there were any.

    Then every job that waits is locked, in the order of ids: the cycle places some of them in the same transaction, and
    must not come for a lower one while it holds these.
    """
    tree = {project.slug: project for project in snapshot.projects}
    # Without a default nothing would change, so nothing is looked for: the usual case costs no look at the jobs.
    slugs = {slug for slug in tree if is_limited(slug, tree)} if default_mb(1, 1) else set()
    bare = [job.id for job in snapshot.waiting if job.project in slugs and _lacks(job.request)] if slugs else []
    return bool(bare) and _fill(bare)


def _lacks(request: Request) -> bool:
    return not request.memory_mb and bool(default_mb(request.cpus, request.gpus))


def _fill(job_ids: Collection[int]) -> bool:
    waiting = Job.objects.filter(state=JobState.PENDING).select_for_update(no_key=True).order_by("pk")
    bare = {pk for pk, memory_mb in waiting.values_list("pk", "memory_mb") if not memory_mb}
    filled = sorted(bare.intersection(job_ids))
    Job.objects.filter(pk__in=filled).update(memory_mb=Greatest(F("cpus") * _mb_per_cpu(), F("gpus") * _mb_per_gpu()))
    transitions.note(
        filled, "memory", message="A quota limits memory now, and the job names none: it gets the default."
    )
    return bool(filled)


def _mb_per_cpu() -> int:
    return memory_units.megabytes(settings.DEFAULT_MEMORY_GB_PER_CPU)


def _mb_per_gpu() -> int:
    return memory_units.megabytes(settings.DEFAULT_MEMORY_GB_PER_GPU)
