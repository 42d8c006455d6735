"""Who is to run a job: whether there is anybody of that name, and whether he can do what the job asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, replace

from jobs.submission.job_spec import JobSpec
from scheduling.errors import FieldError
from scheduling.executors import AGENT, ANY, executor_of
from workers.clusters import unknown_executor
from workers.models import Cluster

COLUMNS = {"gpu_memory_gb": "gpu_memory_mb", "memory_gb": "memory_mb"}
"""What REST calls otherwise than a spec does."""
USUAL = {field.name: field.default for field in fields(JobSpec) if field.default is not MISSING}


def with_executor(spec: JobSpec, of_queue: str) -> JobSpec:
    """The spec with who runs it, by its queue where it says nothing itself."""
    if spec.executor:
        return spec
    return replace(spec, executor=executor_of("", of_queue), executor_by_queue=True)


def concerns_clusters(spec: JobSpec) -> bool:
    """Whether anything has to be known of clusters to judge it."""
    return spec.executor != AGENT or bool(spec.image)


def executor_faults(spec: JobSpec, clusters: Sequence[Cluster]) -> Iterator[FieldError]:
    """What is wrong with who is to run the job, and what those who may cannot honour of it."""
    fault = unknown_executor(spec.executor, clusters)
    if fault:
        yield FieldError("queue" if spec.executor_by_queue else "executor", fault, "unknown")
        return
    if spec.snapshot and spec.executor != AGENT:
        words = "Clusters get no code from here: have it in the image or on their disks, or let agents run the job."
        yield FieldError("snapshot", words, "unsupported")
    if spec.inputs and spec.executor != AGENT:
        words = "Clusters get no outputs of other jobs from here: have them on their disks, or let agents run the job."
        yield FieldError("inputs", words, "unsupported")
    for cluster in _may_run_it(spec.executor, clusters):
        for field, reason in cluster.unsupported.items():
            if _asks_for(spec, field):
                yield FieldError(field, _cannot(spec, cluster, reason), "unsupported")


def _may_run_it(executor: str, clusters: Sequence[Cluster]) -> list[Cluster]:
    return [one for one in clusters if one.lost_at is None and executor in (ANY, one.kind, one.name)]


def _asks_for(spec: JobSpec, field: str) -> bool:
    name = field.rpartition(".")[2]
    name = COLUMNS.get(name, name)
    if name not in {one.name for one in fields(JobSpec)}:
        return False
    return bool(getattr(spec, name) != USUAL.get(name) and getattr(spec, name))


def _cannot(spec: JobSpec, cluster: Cluster, reason: str) -> str:
    if spec.executor == cluster.name:
        return reason
    return f"Executor {spec.executor} may be cluster {cluster.name}: {reason}"
