"""A workload as the objects that Kubernetes is asked for: one Job, or for a gang one Job or one a member, and a Service.

Requests are limits, and a pod asks for exactly what the planner counted: the reporter's share comes out of the job's own.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clusters.kubernetes.connection import JsonObject
from executors.engine import Workload
from executors.kubernetes import pod_environment, reporter
from executors.kubernetes.options import Options
from scheduling.priorities import CLASSES, class_of

MANAGED_BY = "app.kubernetes.io/managed-by"
CLUSTER, WORKLOAD, JOB_ID, ATTEMPT = "trainyard/cluster", "trainyard/workload", "trainyard/job-id", "trainyard/attempt"
PROJECT, RANK = "trainyard/project", "trainyard/rank"
MEMBERS, LIMIT = "trainyard/members", "trainyard/limit-seconds"
STOP_BY, STOP_GRACE = "trainyard/stop-by", "trainyard/stop-grace-seconds"
"""Written on a Job that was asked to end."""
LOG_MARK = "trainyard/log-mark-"
"""Written on a pod, with the container's name behind it: POSITION@NANOSECONDS of its log."""
KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"
MAIN, REPORTER = "main", "reporter"
REPORTER_CPU_MILLI, REPORTER_MEMORY_MB = 10, 32
LEAST_MEMORY_MB = 128
"""With less there is nothing for a reporter to take a share of."""
START_SECONDS = 3600
"""What a pod may take, on top of its limit, to have its image pulled: its clock runs from when a node has it."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where it is asked for: what does not depend on the workload."""

    cluster: str
    options: Options
    namespace: str
    grace_seconds: int
    """Of jobs that name none."""
    indexed: bool
    """Whether the server has Indexed Jobs."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """In the order in which they are made: rank 0 last, so that where its Job is, all of it was made."""

    service: JsonObject | None
    jobs: tuple[JsonObject, ...]


def selector(cluster: str) -> str:
    """By which everything that was made for a cluster's bridge is found."""
    return f"{MANAGED_BY}=trainyard,{CLUSTER}={cluster}"


def manifests(workload: Workload, site: Site) -> Manifests:
    if len(workload.members) == 1:
        return Manifests(None, (_job(workload, site, rank=0),))
    if site.indexed:
        return Manifests(_service(workload, site), (_job(workload, site, rank=None),))
    ranks = reversed(range(len(workload.members)))
    return Manifests(_service(workload, site), tuple(_job(workload, site, rank=rank) for rank in ranks))


def job_name(name: str, rank: int) -> str:
    """Of the Job of one member: that of rank 0 is the workload's."""
    return name if rank == 0 else f"{name}-{rank}"


def _labels(workload: Workload, site: Site) -> dict[str, str]:
    job = workload.job
    return {
        MANAGED_BY: "trainyard",
        CLUSTER: site.cluster,
        WORKLOAD: workload.name,
        JOB_ID: str(job.job_id),
        ATTEMPT: str(job.attempt),
        PROJECT: _label_value(job.project),
    }


def _annotations(workload: Workload) -> dict[str, str]:
    """What people call things, whatever characters are in it."""
    job = workload.job
    told = {
        "trainyard/job-name": job.job_name,
        "trainyard/user": workload.user,
        "trainyard/queue": workload.queue,
        "trainyard/gpu-model": workload.gpu_model,
        "trainyard/labels": json.dumps(dict(workload.labels)) if workload.labels else "",
        "trainyard/token-digest": hashlib.sha256(job.token.encode()).hexdigest()[:16],
        MEMBERS: str(len(workload.members)),
        LIMIT: str(job.max_runtime_seconds or ""),
    }
    return {name: value for name, value in told.items() if value}


def _label_value(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:63].strip("._-")


def _service(workload: Workload, site: Site) -> JsonObject:
    """Without an address of its own: by it the members' names are found, before they are ready too."""
    labels = _labels(workload, site)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": workload.name, "labels": labels},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {WORKLOAD: workload.name},
            "ports": [{"name": "rendezvous", "port": pod_environment.port(workload.job)}],
        },
    }


def _job(workload: Workload, site: Site, *, rank: int | None) -> JsonObject:
    """Of one member, or of all of them where `rank` is None."""
    members = len(workload.members)
    labels = _labels(workload, site) | ({} if rank is None else {RANK: str(rank)})
    template = {
        "metadata": {"labels": labels},
        "spec": _pod(workload, site, rank),
    }
    together = {"completions": members, "parallelism": members, "completionMode": "Indexed"} if rank is None else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(workload.name, rank or 0),
            "labels": labels | _kueue(workload, site.options),
            "annotations": _annotations(workload),
        },
        "spec": {"backoffLimit": 0, **together, "template": template},
    }


def _kueue(workload: Workload, options: Options) -> dict[str, str]:
    """Which of Kueue's queues admits it: the job's own label of that name first."""
    if not options.kueue_queue:
        return {}
    return {KUEUE_QUEUE: str(workload.labels.get(KUEUE_QUEUE) or options.kueue_queue)}


def _pod(workload: Workload, site: Site, rank: int | None) -> JsonObject:
    job, options = workload.job, site.options
    grace = site.grace_seconds if job.grace_seconds is None else job.grace_seconds
    limit = job.max_runtime_seconds
    gang = len(workload.members) > 1
    found: JsonObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": max(1, round(grace)),
        # Behind the engine's own look at the limit, for when nobody looks: a bridge that is gone ends no job too late.
        **({"activeDeadlineSeconds": limit + START_SECONDS} if limit else {}),
        **({"subdomain": workload.name} if gang else {}),
        **({"hostname": f"{workload.name}-{rank}"} if gang and rank is not None else {}),
        **({"serviceAccountName": options.service_account} if options.service_account else {}),
        **({"imagePullSecrets": [{"name": name} for name in options.image_pull_secrets]} if options.image_pull_secrets else {}),
        **({"tolerations": list(options.tolerations)} if options.tolerations else {}),
        "affinity": _affinity(workload, rank),
        "containers": _containers(workload, site, rank),
        "volumes": _volumes(options),
    }  # fmt: skip
    if options.priority_classes:
        found["priorityClassName"] = options.priority_classes[CLASSES.index(class_of(workload.priority))]
    return found


def _affinity(workload: Workload, rank: int | None) -> JsonObject:
    """There and nowhere else: the planner has counted it there, and two books of the same cluster must not differ.

    The members of an Indexed Job are one template: they may go to any of the gang's nodes, and no two to the same.
    """
    nodes = [name for name in (workload.nodes if rank is None else workload.nodes[rank : rank + 1]) if name]
    if not nodes:
        return {}
    terms = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]} for name in dict.fromkeys(nodes)
    ]
    found: JsonObject = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    if rank is None and len(set(nodes)) == len(workload.members):
        apart = {"labelSelector": {"matchLabels": {WORKLOAD: workload.name}}, "topologyKey": "kubernetes.io/hostname"}
        found["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}
    return found


def _containers(workload: Workload, site: Site, rank: int | None) -> list[JsonObject]:
    job, options = workload.job, site.options
    reports = has_reporter(workload, options)
    member = workload.members[rank or 0]
    quantities = {"cpu": member.cpus * 1000 - REPORTER_CPU_MILLI * reports, "memory": 0}
    quantities["memory"] = max(0, member.memory_mb - REPORTER_MEMORY_MB * reports)
    devices = {options.gpu_resource: str(len(member.gpu_indices))} if member.gpu_indices else {}
    mounts = [
        {"name": "run", "mountPath": reporter.FOLDER},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108  it is the pod's own
        _mount(options, pod_environment.CHECKPOINTS, "checkpoints", f"{job.job_id}/checkpoints"),
        _mount(options, pod_environment.OUTPUTS, "outputs", f"{job.job_id}/outputs/{job.attempt}"),
    ]
    wrapped = ["/bin/sh", "-c", reporter.COMMAND, "trainyard", *job.command] if reports else list(job.command)
    found = [
        {
            "name": MAIN,
            "image": workload.image,
            "command": [pod_environment.literal(word) for word in wrapped],
            **({"workingDir": job.working_dir} if job.working_dir else {}),
            "env": pod_environment.variables(workload, site.namespace, rank),
            "resources": _resources(quantities["cpu"], quantities["memory"], devices),
            "securityContext": {"allowPrivilegeEscalation": False},
            "volumeMounts": mounts,
        }
    ]
    if reports:
        found.append(
            {
                "name": REPORTER,
                "image": workload.image,
                "command": ["/bin/sh", "-c", pod_environment.literal(reporter.REPORTER)],
                "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}],
                "resources": _resources(REPORTER_CPU_MILLI, REPORTER_MEMORY_MB if member.memory_mb else 0, {}),
                "securityContext": {"allowPrivilegeEscalation": False},
                "volumeMounts": mounts[:1],
            }
        )
    return found


def has_reporter(workload: Workload, options: Options) -> bool:
    """A job that counts no memory has one as well, of which none is counted either."""
    return options.reporter and not 0 < workload.job.memory_mb < LEAST_MEMORY_MB


def _resources(cpu_milli: int, memory_mb: int, devices: Mapping[str, str]) -> JsonObject:
    asked: dict[str, Any] = {"cpu": f"{cpu_milli}m", **({"memory": f"{memory_mb}Mi"} if memory_mb else {}), **devices}
    return {"requests": asked, "limits": asked}


def _mount(options: Options, path: str, name: str, within: str) -> JsonObject:
    if not options.claim:
        return {"name": name, "mountPath": path}
    return {"name": "jobs", "mountPath": path, "subPath": "/".join(filter(None, (options.claim_path, within)))}


def _volumes(options: Options) -> list[JsonObject]:
    kept: list[JsonObject] = [{"name": name, "emptyDir": {}} for name in ("checkpoints", "outputs")]
    if options.claim:
        kept = [{"name": "jobs", "persistentVolumeClaim": {"claimName": options.claim}}]
    return [
        {"name": "run", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},  # counts as memory of the job
        *kept,
    ]
