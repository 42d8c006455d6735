"""Jobs in a real Slurm by way of a real bridge."""

import sys
from collections.abc import Iterator

import pytest

from jobs.control import actions
from jobs.models import Job
from tests.acceptance.bridged import gives_way_and_goes_on
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster
from tests.executors.slurm.workloads import PATH
from tests.waiting import wait_for
from workers.models import Node

pytestmark = pytest.mark.timeout(300)  # a Slurm, a platform and a bridge are many processes


@pytest.fixture(scope="module", params=RELEASES)
def slurm(request) -> Iterator[SlurmCluster]:
    with slurm_cluster(request.param, nodes=2) as cluster:
        yield cluster


@pytest.fixture
def platform_on_slurm(platform: Platform, slurm: SlurmCluster) -> Platform:
    platform.environment["TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS"] = "1"
    platform.start(beat=True)
    start_bridge(platform, slurm)
    up = Node.objects.filter(cluster__name="tarn", state="up", removed_at__isnull=True)
    wait_for(lambda: up.count() == 2, 60, lambda: f"nodes of the cluster: {platform.log('bridge')}")
    return platform


def start_bridge(platform: Platform, slurm: SlurmCluster) -> None:
    shared = slurm.shared / platform.home.name
    shared.mkdir(exist_ok=True)
    options = {
        "partition": "main", "shared": str(shared), "url": slurm.url, "path": f"{slurm.installed / 'programs'}:{PATH}",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "manage.py", "bridge", "tarn", "--kind", "slurm", *words]
    settings = {"EXECUTOR_SLURM_AUTH_TOKEN": slurm.token(), "DATABASE_URL": platform.agent_url()}
    platform._start("bridge", command, TRAINYARD_ROLE="node", **settings)


def test_jobs_and_gangs_complete_with_their_logs_over_a_bridge_that_dies(platform_on_slurm, slurm):
    platform = platform_on_slurm
    script = 'echo begin $SLURM_JOB_PARTITION $RANK; echo \'{"progress": 1, "loss": 0.5}\' >> $TRAINYARD_REPORT; sleep 3; seq 1 5000; echo end'
    [job] = submitted(script, executor="tarn", gpus=1)
    [gang] = submitted("echo rank $RANK of $WORLD_SIZE", executor="slurm", nodes=2)
    wait_for_state(job, "running", platform=platform, timeout=60)
    platform.kill("bridge")
    start_bridge(platform, slurm)
    done = wait_for_state(job, "completed", platform=platform, timeout=90)
    assert output(job) == "begin main 0\n" + "".join(f"{n}\n" for n in range(1, 5001)) + "end\n"
    assert (done.progress, done.metrics["loss"], done.exit_code) == (1, 0.5, 0)
    assert Job.objects.get(pk=job.pk).attempt == 1
    wait_for_state(gang, "completed", platform=platform, timeout=90)
    wait_for(lambda: not slurm.command("squeue", "-h"), 20, "nothing to be left in Slurm")


def test_ends_are_told_as_they_were_and_a_cancel_ends_it_there(platform_on_slurm, slurm):
    failed, endless = submitted("echo no; exit 3", "echo up; exec sleep 300", executor="tarn")
    assert wait_for_state(failed, "failed", platform=platform_on_slurm, timeout=60).exit_code == 3
    wait_for_state(endless, "running", timeout=60)
    actions.cancel(job_id=endless.pk, actor="a test")
    assert wait_for_state(endless, "cancelled", timeout=60).end_reason == "cancelled"
    wait_for(lambda: endless.pk not in slurm_jobs(slurm), 20, "it to end in Slurm")


def test_a_job_that_gives_way_to_an_urgent_one_goes_on_where_it_was(platform_on_slurm, slurm):
    [beside] = submitted("exec sleep 300", priority="urgent", executor="tarn", gpus=8)
    wait_for_state(beside, "running", platform=platform_on_slurm, timeout=60)
    gives_way_and_goes_on(platform_on_slurm, executor="tarn", gpus=8)
    actions.cancel(job_id=beside.pk, actor="a test")
    wait_for(lambda: not slurm.command("squeue", "-h"), 30, "nothing to be left in Slurm")


def slurm_jobs(slurm: SlurmCluster) -> set[int]:
    names = slurm.command("squeue", "-h", "-o", "%j").split()
    return {int(name.split("-")[1]) for name in names if name.startswith("ty-")}
