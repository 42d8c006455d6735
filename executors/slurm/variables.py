"""What a command finds in its environment on a node of Slurm: the same names as on a node of ours, but for devices, which Slurm gives."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from executors.engine import Workload
from executors.run import rendezvous, run_spans, tracking
from jobs.attempts.claims import PlacementSpec
from workers.runtime import environment

VIRTUAL_ENVIRONMENTS = ("VIRTUAL_ENV", "CONDA_PREFIX")


@dataclass(frozen=True, slots=True)
class Folders:
    """Of a job, in the shared folder: they outlive its attempts."""

    checkpoints: Path
    outputs: Path
    python: Path
    """In which Python finds the package for training scripts."""
    path: str
    """Where programs are looked for on the nodes."""


def variables(workload: Workload, rank: int, folder: Path, folders: Folders) -> dict[str, str]:
    """Of one member."""
    member = workload.members[rank]
    gang = len(workload.members) > 1
    if gang:
        address = member.master_address or workload.nodes[0]
        member = replace(member, master_address=address, master_port=member.master_port or settings.GANG_PORT)
    meeting = rendezvous.environment(member)
    given = member.env.get("PYTHONPATH", "")
    return {
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(environment.THREAD_COUNTS, str(max(1, member.cpus))),
        **({} if gang else meeting),
        **_path(member, folders.path),
        **member.env,
        # What follows the job's own variables it cannot change, as on a node of ours.
        **tracking.environment(member),
        "PYTHONPATH": f"{given}:{folders.python}" if given else str(folders.python),
        **({} if member.gpu_indices else environment.visible_gpus(())),
        **run_spans.environment(member),
        "TRAINYARD_JOB_ID": str(member.job_id),
        "TRAINYARD_ATTEMPT": str(member.attempt),
        "TRAINYARD_CHECKPOINT_DIR": str(folders.checkpoints),
        "TRAINYARD_OUTPUT_DIR": str(folders.outputs),
        "TRAINYARD_REPORT": str(folder / "report.jsonl"),
        **(meeting if gang else {}),
    }


def _path(member: PlacementSpec, path: str) -> dict[str, str]:
    """A job that names a virtual environment runs in it, as a shell does that has activated it."""
    prefix = next((member.env[name] for name in VIRTUAL_ENVIRONMENTS if member.env.get(name)), "")
    return {"PATH": os.pathsep.join((f"{prefix}/bin", path)) if prefix else path}
