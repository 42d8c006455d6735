"""Pilots as an actuator, in a real Slurm: one for each name, whoever asks how often, and none left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.slurm.client import SlurmClient
from clusters.slurm.commands import CommandClient
from clusters.slurm.rest import RestClient
from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.pilots import Slurm, SlurmPilots
from scheduling.errors import InvalidError
from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster
from tests.waiting import wait_for
from workers.models import NodePool

pytestmark = pytest.mark.timeout(180)  # the first test starts a Slurm
SLEEPS = "#!/bin/bash\necho $TRAINYARD_PILOT of $TRAINYARD_PILOT_POOL until $TRAINYARD_NODE_UNTIL\nexec sleep 300\n"


@pytest.fixture(scope="module", params=RELEASES)
def slurm(request) -> Iterator[SlurmCluster]:
    with slurm_cluster(request.param, nodes=1) as cluster:
        yield cluster


@pytest.fixture(params=["rest", "commands"])
def client(request, slurm: SlurmCluster, monkeypatch) -> Iterator[SlurmClient]:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    by_rest = request.param == "rest"
    made = RestClient(slurm.url, token=slurm.token) if by_rest else CommandClient(slurm.environment["PATH"])
    yield made
    for number in slurm.command("squeue", "-h", "-o", "%i").split():
        slurm.command("scancel", number)
    wait_for(lambda: not slurm.command("squeue", "-h"), 30, "Slurm to be empty")


@pytest.fixture
def folder(slurm: SlurmCluster, request) -> Path:
    made = slurm.shared / str(abs(hash(request.node.name)))
    made.mkdir()
    (made / "pilot.sh").write_text(SLEEPS)
    return made


def pilots(client: SlurmClient, folder: Path, *, settings: dict[str, str] | None = None, **fields) -> SlurmPilots:
    given = {"name": "p", "cpus": 1, "memory_mb": 100, "lifetime_seconds": 600, **fields}
    return SlurmPilots(*Slurm(client, folder), NodePool(**given, actuator_settings=settings or {}))


def queue(slurm: SlurmCluster, *more: str) -> list[str]:
    return sorted(slurm.command("squeue", "-h", "-o", "%j %l", *more).splitlines())


def test_a_pilot_is_a_job_of_its_nodes_name_with_the_pools_shape_and_limit(client, folder, slurm):
    actuator = pilots(client, folder, gpus=2, settings={"partition": "main", "gpu_type": "h100"})
    actuator.up(["p-1", "p-2"])
    assert actuator.members() == {"p-1": False, "p-2": False}
    assert queue(slurm) == ["p-1 10:00", "p-2 10:00"]
    wait_for(lambda: len(queue(slurm, "-t", "running")) == 2, 30, "both to run")
    number = slurm.command("squeue", "-h", "-o", "%i", "--name=p-1")
    shown = slurm.command("scontrol", "--oneliner", "show", "job", number)
    assert "gres/gpu=2" in shown
    log = folder / f"p-1-{number}.log"
    wait_for(lambda: log.exists() and "until" in log.read_text(), 20, "what it prints")
    assert log.read_text().startswith("p-1 of p until 1")

    actuator.down(["p-1", "p-7"])
    wait_for(lambda: actuator.members() == {"p-2": False}, 30, "the one to go")


def test_of_two_of_one_name_the_younger_is_cancelled_and_those_of_others_are_left_alone(client, folder, slurm):
    actuator = pilots(client, folder)
    slurm.command("sbatch", "--job-name=p-3", "--time=20", "--mem=50M", "--output=/dev/null", "--wrap=sleep 300")
    actuator.up(["p-1"])
    wait_for(lambda: len(queue(slurm, "-t", "running")) == 2, 30, "the first to run")
    actuator.up(["p-1"])  # as if the answer to the first had been lost
    assert len(queue(slurm)) == 3
    assert actuator.members() == {"p-1": False}
    wait_for(lambda: queue(slurm) == ["p-1 10:00", "p-3 20:00"], 30, lambda: str(queue(slurm)))


def test_those_that_wait_are_taken_back_the_youngest_first_and_none_that_runs(client, folder, slurm):
    actuator = pilots(client, folder, cpus=9)
    actuator.up(["p-1"])
    wait_for(lambda: len(queue(slurm, "-t", "running")) == 1, 30, "the first to run")
    actuator.up(["p-2"])
    actuator.up(["p-3"])
    assert actuator.withdraw(1) == ["p-3"]
    assert actuator.withdraw(5) == ["p-2"]
    wait_for(lambda: actuator.members() == {"p-1": False}, 30, "the others to be gone")


def test_while_one_has_just_failed_no_other_one_is_tried(client, folder, slurm):
    (folder / "pilot.sh").write_text("echo no such agent; exit 3\n")
    name = f"f{folder.name}"[:20]  # of the pool of the test before it one has failed, too
    actuator = pilots(client, folder, name=name)
    actuator.up([f"{name}-1"])
    wait_for(lambda: not actuator.members(), 30, "it to end")
    with pytest.raises(
        ActuatorError, match=r"Pilot f\d+-1 \(job \d+ of Slurm\) ended with exit code 3: .*/f\d+-1-\d+\.log says why"
    ):
        actuator.up([f"{name}-2"])
    assert not queue(slurm)


AWAY = RestClient("http://127.0.0.1:9", token=lambda: "none")
"""Nobody listens there."""


def test_what_slurm_says_and_what_is_missing_is_told(tmp_path):
    with pytest.raises(ActuatorError, match=r"http://127\.0\.0\.1:9 does not answer"):
        pilots(AWAY, tmp_path).members()
    with pytest.raises(ActuatorError, match=r"The pilots' script .*/pilot\.sh cannot be read"):
        pilots(AWAY, tmp_path).up(["p-1"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"script": "../x.sh"}, "script must be the name of a file"),
        ({"partition": "main --wrap=x"}, "partition must be a name of Slurm's"),
        ({"shell": "x"}, "There is no 'shell': there are script, partition"),
        ({"qos": 3}, "qos must be a name of Slurm's"),
    ],
)
def test_settings_that_say_anything_else_are_refused(tmp_path, settings, words):
    with pytest.raises(InvalidError) as refused:
        pilots(AWAY, tmp_path, settings=settings)
    assert words in refused.value.errors[0].message
