"""A workload as Slurm is asked for it: the files in its folder, and one batch job."""

import json
import math
from collections.abc import Mapping

from django.conf import settings

from clusters.slurm.batch_job import BatchJob
from executors.engine import RefusedError, Workload
from executors.slurm import scripts
from executors.slurm.options import Options
from executors.slurm.shared_folder import SharedFolder, WorkloadFolder
from executors.slurm.variables import Folders, variables

SPARE_MINUTES = 1
"""On top of what the member's own shell lets pass: Slurm counts from the allocation, and whole minutes."""
MOST_WARN_SECONDS = 65_535


def grace_of(workload: Workload) -> int:
    """Seconds from SIGTERM to SIGKILL when its time is over."""
    given = workload.job.grace_seconds
    return math.ceil(settings.KILL_GRACE_SECONDS if given is None else given)


def minutes_of(workload: Workload, most: int | None) -> int | None:
    """Slurm's time limit: above what the job may run and the grace, as far as the partition allows.

    Raises RefusedError if it asks for more time than the partition has.
    """
    seconds = workload.job.max_runtime_seconds
    if seconds is None:
        return None
    if most is not None and seconds > most * 60:
        raise RefusedError(
            f"max_runtime_seconds: {seconds} is more than the partition of this cluster allows, {most} minutes ({most * 60})."
        )
    wanted = math.ceil((seconds + grace_of(workload)) / 60) + SPARE_MINUTES
    return wanted if most is None else min(wanted, most)


def write_files(workload: Workload, shared: SharedFolder, options: Options) -> str:
    """All that its nodes read; returns the batch script."""
    folder, job = shared.workload(workload.name), workload.job
    folders = Folders(
        checkpoints=shared.of_job(job.job_id, "checkpoints"),
        outputs=shared.of_job(job.job_id, "outputs", str(job.attempt)),
        python=shared.python,
        path=options.path,
    )
    common: Mapping[str, str | int] = {
        "folder": str(folder.path),
        "sign": str(shared.sign(workload.name)),
        "members": len(workload.members),
        "grace": grace_of(workload),
    }
    folder.write("stop", "")
    folder.write("workload.json", json.dumps(_asked(workload)))
    for rank, member in enumerate(workload.members):
        given = variables(workload, rank, folder.path, folders)
        folder.write(f"environment.{rank}", scripts.environment(given, member.command))
    own: Mapping[str, str | int] = {
        "directory": job.working_dir or str(folders.outputs),
        "most": job.max_runtime_seconds or 0,
    }
    folder.write("member.sh", scripts.member({**common, **own}, workload.nodes))
    return scripts.batch(workload.name, common)


def batch_job(
    workload: Workload, script: str, folder: WorkloadFolder, options: Options, most_minutes: int | None
) -> BatchJob:
    """One task a node, on the nodes that the planner chose and on no others: its books are by node."""
    job = workload.job
    return BatchJob(
        name=workload.name,
        script=script,
        output=str(folder.output),
        directory="/",
        nodes=workload.nodes,
        cpus=max(member.cpus for member in workload.members),
        memory_mb=max(member.memory_mb for member in workload.members),
        gpus=max(len(member.gpu_indices) for member in workload.members),
        minutes=minutes_of(workload, most_minutes),
        warn_seconds=min(max(1, grace_of(workload)), MOST_WARN_SECONDS),
        partition=options.partition,
        account=options.account_of(job.project),
        qos=options.qos_of(job.project, workload.queue),
        reservation=options.reservation,
        comment=f"trainyard job {job.job_id}, attempt {job.attempt}, project {job.project}",
        environment={"PATH": options.path},
    )


def _asked(workload: Workload) -> Mapping[str, object]:
    members = [{"cpus": one.cpus, "memory_mb": one.memory_mb, "gpus": len(one.gpu_indices)} for one in workload.members]
    return {"job": workload.job.job_id, "attempt": workload.job.attempt, "nodes": workload.nodes, "members": members}
