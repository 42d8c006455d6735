"""The Slurm of these tests leaves nothing behind."""

import psutil

from tests.clusters.slurm.slurm_cluster import SlurmCluster
from tests.waiting import wait_for


def test_steps_and_what_they_run_end_with_their_cluster(slurm: SlurmCluster):
    slurm.command("sbatch", "--output=/dev/null", "--wrap", "sleep 300 & sleep 300")

    def both_sleep() -> list[psutil.Process]:
        run = [one for step in slurm.steps() for one in step.children(recursive=True)]
        return run if [one.name() for one in run].count("sleep") == 2 else []

    run = wait_for(both_sleep, 20, "the job's commands")
    slurm.stop()
    assert slurm.steps() == []
    assert [one for one in run if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
