"""What a command finds in its environment inside of a pod: the same names as on a node of ours, but for devices, which the plugin gives."""

from dataclasses import replace
from typing import Any

from django.conf import settings

from executors.engine import Workload
from executors.kubernetes import reporter
from executors.run import rendezvous, run_spans, tracking
from jobs.attempts.claims import PlacementSpec
from workers.runtime import environment

CHECKPOINTS, OUTPUTS = "/trainyard/checkpoints", "/trainyard/outputs"
INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
RANKS = ("RANK", "NODE_RANK")


def port(job: PlacementSpec) -> int:
    """Where a gang meets."""
    return int(job.master_port or settings.GANG_PORT)


def variables(workload: Workload, namespace: str, rank: int | None) -> list[dict[str, Any]]:
    """Of one member; with a rank of None of each of them, who then learns his rank from his pod."""
    member = workload.members[rank or 0]
    gang = len(workload.members) > 1
    if gang:
        member = replace(
            member, master_address=f"{workload.name}-0.{workload.name}.{namespace}.svc", master_port=port(member)
        )
    meeting = rendezvous.environment(member)
    known = {
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(environment.THREAD_COUNTS, str(max(1, member.cpus))),
        **({} if gang else meeting),
        **member.env,
        # What follows the job's own variables it cannot change, as on a node of ours.
        **tracking.environment(member),
        **run_spans.environment(member),
        # An image may ask for all GPUs, and get them where the runtime listens to images.
        **({} if member.gpu_indices else {"NVIDIA_VISIBLE_DEVICES": "void"}),
        "TRAINYARD_JOB_ID": str(member.job_id),
        "TRAINYARD_ATTEMPT": str(member.attempt),
        "TRAINYARD_CHECKPOINT_DIR": CHECKPOINTS,
        "TRAINYARD_OUTPUT_DIR": OUTPUTS,
        "TRAINYARD_REPORT": reporter.REPORT,
        **(meeting if gang else {}),
    }
    own_rank = {"valueFrom": {"fieldRef": {"fieldPath": INDEX}}}
    return [
        {"name": name, **(own_rank if rank is None and name in RANKS else {"value": literal(value)})}
        for name, value in known.items()
    ]


def literal(text: str) -> str:
    """As it is to arrive: Kubernetes puts variables in for `$(NAME)`, and takes `$$` for one dollar."""
    return text.replace("$", "$$")
