"""Pilots in a real Slurm: agents in batch jobs that come when jobs wait, and have left before Slurm would end them."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job
from tests.acceptance import checkpointing
from tests.acceptance.checkpointing import trained
from tests.acceptance.platform import ROOT, Platform, history, output, submitted, wait_for_state
from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster
from tests.waiting import wait_for
from workers.models import Node, NodePool

pytestmark = pytest.mark.timeout(300)  # a Slurm, a platform and an autoscaler are many processes
LEAVE_SECONDS = 30
TRAINING = [sys.executable, str(Path(checkpointing.__file__)), "700", "0.05"]
"""Longer than a pilot takes jobs."""
QUICK = {
    "TRAINYARD_SCALING_SECONDS": "1",
    "TRAINYARD_NODE_LEAVE_SECONDS": str(LEAVE_SECONDS),
    "TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS": "5",
}
SCRIPT = """\
#!/bin/bash
{exports}
cd {source}
exec {python} manage.py node --name "$TRAINYARD_PILOT" --label "pool=$TRAINYARD_PILOT_POOL"
"""


@pytest.fixture(scope="module", params=RELEASES)
def slurm(request) -> Iterator[SlurmCluster]:
    with slurm_cluster(request.param, nodes=2) as cluster:
        yield cluster


@pytest.fixture
def pilots(platform: Platform, slurm: SlurmCluster) -> Iterator[Path]:
    """A pool of them, and who has them come and go: in which folder their scripts and what they print lie."""
    folder = slurm.shared / platform.home.name
    folder.mkdir(exist_ok=True)
    platform.environment |= QUICK
    own = {
        **QUICK,
        "DATABASE_URL": platform.agent_url(),
        "BROKER_URL": platform.broker_url,
        "TRAINYARD_HOME": platform.home,
    }
    own |= {name: value for name, value in platform.environment.items() if name.startswith(("TRAINYARD_", "DJANGO_"))}
    own |= {"TRAINYARD_ROLE": "node"}
    exports = "\n".join(f"export {name}={shlex.quote(str(value))}" for name, value in own.items())
    script = SCRIPT.format(exports=exports, source=ROOT, python=sys.executable)
    (folder / "pilot.sh").write_text(script)
    NodePool.objects.create(
        name="pilot", cpus=1, memory_mb=1024, max_nodes=2, lifetime_seconds=60, actuator="slurm",
        actuator_settings={"partition": "main"}, scale_up_seconds=0, scale_down_seconds=1, startup_seconds=1,
    )  # fmt: skip
    platform.start(beat=True)
    command = [sys.executable, "manage.py", "autoscaler", "--every", "0.5", "--slurm", str(folder)]
    access = {"EXECUTOR_SLURM_REST_API_URL": slurm.url, "EXECUTOR_SLURM_AUTH_TOKEN": slurm.token()}
    platform._start("autoscaler", command, **access)
    yield folder
    NodePool.objects.update(paused=True)
    for number in slurm.command("squeue", "-h", "-o", "%i").split():
        slurm.command("scancel", number, check=False)
    wait_for(lambda: not slurm.command("squeue", "-h"), 60, "Slurm to be empty")


def telling(platform: Platform, folder: Path) -> str:
    logs = "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(folder.glob("*.log")))
    return f"{platform.log('autoscaler')}\n{logs}"


def shown(slurm: SlurmCluster, number: str) -> dict[str, str]:
    said = slurm.command("scontrol", "--oneliner", "show", "job", number)
    return dict(word.split("=", 1) for word in said.split() if "=" in word)


def told(job: Job) -> list[str]:
    return [reason["code"] for reason in Job.objects.get(pk=job.pk).reasons]


def the_pilot_of(job: Job, slurm: SlurmCluster) -> str:
    """The number in Slurm of the pilot that runs it."""
    name = Attempt.objects.filter(job=job).latest("number").placements.get().node.name
    [number] = slurm.command("squeue", "-h", "-o", "%i", f"--name={name}").split()
    return number


def test_a_job_goes_from_pilot_to_pilot_and_none_stays_in_slurm(platform, pilots, slurm):
    job, short, long = (
        *submitted(TRAINING, checkpointable=True),
        *submitted("echo from $(hostname)", max_runtime_seconds=10),
        *submitted("sleep 1", max_runtime_seconds=3600),
    )
    wait_for_state(job, "running", timeout=90, platform=platform)
    first = the_pilot_of(job, slurm)
    node = Node.objects.get(name=shown(slurm, first)["JobName"])
    assert (node.cpus, node.memory_mb, node.gpus) == (1, 1024, [])
    assert 0 < (node.leaves_at - timezone.now()).total_seconds() < 60 - LEAVE_SECONDS + 1
    wait_for_state(short, "completed", timeout=90, platform=platform)
    wait_for(lambda: told(long) == ["node_leaves"], 20, lambda: str(told(long)))

    wait_for(lambda: job.attempts.filter(number=2).exists(), 90, lambda: f"{history(job)} {telling(platform, pilots)}")
    assert job.attempts.get(number=1).end_reason == "preempted"
    wait_for(lambda: shown(slurm, first)["JobState"] == "COMPLETED", 30, lambda: str(shown(slurm, first)))
    assert shown(slurm, first)["ExitCode"] == "0:0"
    done = wait_for_state(job, "completed", timeout=120, platform=platform)
    weights = ""
    for step in range(1, 701):
        weights = trained(weights, step)
    assert f"weights {weights}" in output(job)
    assert done.retries_used == 0

    wait_for(
        lambda: not slurm.command("squeue", "-h"), 60, lambda: f"the pool to be empty: {telling(platform, pilots)}"
    )
    assert not platform.shims()


@pytest.mark.parametrize("at_once", [False, True], ids=["scancel", "power"])
def test_a_pilot_that_is_killed_costs_its_job_no_retry(platform, pilots, slurm, at_once):
    [job] = submitted(TRAINING, checkpointable=True)
    wait_for_state(job, "running", timeout=90, platform=platform)
    wait_for(lambda: "step 20\n" in output(job), 30, "some steps")
    if at_once:  # as when its machine loses power
        for step in slurm.steps():
            for process in (step, *step.children(recursive=True)):
                process.kill()
    else:
        slurm.command("scancel", the_pilot_of(job, slurm))
    wait_for(lambda: job.attempts.filter(number=2).exists(), 90, lambda: f"{history(job)} {telling(platform, pilots)}")
    assert job.attempts.get(number=1).end_reason == ("node_lost" if at_once else "preempted")
    if not at_once:
        wait_for(lambda: "resumed after step" in output(job), 90, lambda: output(job)[-300:])
    wait_for_state(job, "running", timeout=90, platform=platform)
    assert Job.objects.get(pk=job.pk).retries_used == 0
