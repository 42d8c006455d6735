"""Whatever dies or falls silent: no command runs twice, every end is told, and what is out of reach says so."""

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from clusters.slurm.rest import RestClient
from executors.engine import Engine, OutOfReachError, Phase, Workload
from executors.slurm import known
from executors.slurm.engine import SlurmEngine
from executors.slurm.options import Options
from scheduling.lifecycle import EndReason
from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster
from tests.executors.slurm.losing_proxy import losing_proxy
from tests.executors.slurm.workloads import PATH, ended, printed, shell, wait_for_phase
from tests.waiting import wait_for

ROUNDS = 12
VICTIMS = ("slurmctld", "slurmrestd", "n1", "slurmctld", "slurmdbd", "n2")


@pytest.fixture(scope="module", params=RELEASES)
def mortal(request) -> Iterator[SlurmCluster]:
    """A cluster whose daemons may be killed."""
    with slurm_cluster(request.param, nodes=2) as cluster:
        yield cluster


def engine_on(cluster: SlurmCluster, folder: str, url: str = "", token=None) -> SlurmEngine:
    (cluster.shared / folder).mkdir(exist_ok=True)
    options = Options(
        partition="main", shared=Path(cluster.shared / folder), path=f"{cluster.installed / 'programs'}:{PATH}"
    )
    return SlurmEngine(RestClient(url or cluster.url, token=token or cluster.token), options)


def start_at_last(engine: Engine, asked: Workload) -> None:
    """As a bridge does: again and again."""

    def started() -> bool:
        try:
            engine.start(asked)
        except OutOfReachError:
            return False
        return True

    wait_for(started, 60, f"{asked.name} to be taken")


def test_an_answer_that_is_lost_loses_and_doubles_nothing(slurm):
    with losing_proxy(slurm.url) as proxy:
        engine = engine_on(slurm, "lost-answers", proxy.url)
        asked = shell("echo ran")
        proxy.losing = {"POST"}
        engine.start(asked)  # it looks by itself whether the job is there
        assert proxy.lost == 1
        proxy.losing = {"POST", "GET"}
        blind = shell("echo ran")
        with pytest.raises(OutOfReachError):
            engine.start(blind)
        proxy.losing = set()
        after = engine_on(slurm, "lost-answers", proxy.url)  # another bridge, after that one's death
        after.start(blind)
        for one in (asked, blind):
            assert ended(after, one.name).reason == EndReason.COMPLETED
            assert printed(after, one.name) == "ran\n"
        names = f"--name={asked.name},{blind.name}"

        def accounted() -> int:
            return len(slurm.command("sacct", "-n", "-X", names, "-o", "jobid").split())

        wait_for(lambda: accounted() >= 2, 60, "both in Slurm's accounting, which is behind its controller")
        assert accounted() == 2


def test_without_its_rest_api_a_cluster_is_out_of_reach_in_words(mortal):
    engine = engine_on(mortal, "rest-away")
    mortal.kill("slurmrestd")
    try:
        for ask in (engine.nodes, lambda: engine.start(shell("true"))):
            with pytest.raises(OutOfReachError, match=r"Slurm's REST API at http://.* does not answer: "):
                ask()
    finally:
        mortal.start_daemon("slurmrestd")
    assert engine.nodes()


def test_without_its_controller_a_cluster_is_out_of_reach_and_a_stop_still_arrives(mortal):
    engine = engine_on(mortal, "controller-away")
    asked = shell("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    engine.start(asked)
    wait_for(lambda: engine.observe() and printed(engine, asked.name), 20, "ready")
    time.sleep(6)  # Slurm writes its state down every five seconds, and nothing tells when it has
    mortal.kill("slurmctld")
    try:
        with pytest.raises(OutOfReachError, match="answers, but its controller or database does not"):
            engine.observe()
        engine.stop(asked.name, 30)
        wait_for(lambda: "saved" in printed(engine, asked.name), 20, "the stop to arrive")
    finally:
        mortal.start_daemon("slurmctld")
    end = ended(engine, asked.name, 60)
    assert (end.exit_code, end.stop_asked) == (0, True)


def test_an_expired_token_is_told_and_a_new_one_is_taken(slurm):
    tokens = [slurm.token(lifespan=-60)]
    engine = engine_on(slurm, "tokens", token=lambda: tokens[-1])
    with pytest.raises(OutOfReachError, match=r"refuses the token, which expired at \d{4}-\d\d-\d\d"):
        engine.nodes()
    tokens.append("not-a-token")
    with pytest.raises(OutOfReachError):
        engine.nodes()
    tokens.append(slurm.token())
    assert engine.nodes()


def test_a_node_that_dies_ends_what_ran_there(mortal):
    engine = engine_on(mortal, "node-away")
    asked = shell("sleep 120", nodes=("n2",))
    engine.start(asked)
    wait_for_phase(engine, asked.name, Phase.RUNNING)
    mortal.kill("n2")
    try:
        mortal.command("scontrol", "update", "nodename=n2", "state=down", "reason=died")
        end = ended(engine, asked.name)
        assert end.reason == EndReason.NODE_LOST
        assert "n2" in end.message
    finally:
        mortal.start_daemon("n2")
        mortal.command("scontrol", "update", "nodename=n2", "state=resume", check=False)  # it may be up by itself
        mortal.wait_for_nodes()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_whatever_is_killed_at_whatever_moment_nothing_runs_twice_and_every_end_is_told(mortal, turn):
    dice = random.Random(os.urandom(4).hex())  # noqa: S311
    engine, victim = engine_on(mortal, "killing"), VICTIMS[turn % len(VICTIMS)]
    asked = [shell("echo began; sleep 0.5; echo over", nodes=("n1",)), shell("echo began", nodes=("n2",))]
    killer = threading.Timer(dice.uniform(0.0, 0.4), mortal.kill, [victim])
    killer.start()
    for one in asked:
        with contextlib.suppress(OutOfReachError):
            engine.start(one)
    killer.join()
    time.sleep(dice.uniform(0.0, 0.5))
    mortal.start_daemon(victim)
    after = engine_on(mortal, "killing")  # the bridge died with it
    # Slurm drains a node that still runs what its controller has lost: somebody has to take it back.
    for node in mortal.nodes:
        mortal.command("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    for one in asked:
        start_at_last(after, one)
        # A node whose launch was lost with its daemon is found out at its next registration: each 20 pings, of 3 s here.
        end = ended(after, one.name, 180)
        assert end.reason in {EndReason.COMPLETED, EndReason.NODE_LOST, EndReason.START_FAILED}, end
        began = printed(after, one.name).count("began")
        assert began == 1 or (began == 0 and end.reason != EndReason.COMPLETED)
    for one in asked:
        after.forget(one.name)
    assert after.observe() == {}


def test_a_controller_that_forgot_which_jobs_run_ends_nobodys_work_for_good(mortal):
    """It starts them anew, which nodes and scripts refuse: nobody has cancelled them. What is over it does not bring back."""
    engine = engine_on(mortal, "forgetful")
    mortal.command("scontrol", "update", "partitionname=main", "state=down")
    short, long = shell("sleep 2; echo ran"), shell("exec sleep 300", nodes=["n2"])
    for asked in (short, long):
        engine.start(asked)
    remembered = dict[Path, bytes]()

    def written_down() -> bool:
        remembered.update({path: path.read_bytes() for path in (mortal.folder / "state").glob("job_state*")})
        return any(long.name.encode() in content for content in remembered.values())

    wait_for(written_down, 40, "the controller to write down what waits")
    mortal.command("scontrol", "update", "partitionname=main", "state=up")
    for asked in (short, long):
        wait_for_phase(engine, asked.name, Phase.RUNNING)
    forget_since(mortal, remembered)
    done, lost = ended(engine, short.name, 90), ended(engine, long.name, 90)
    assert (done.reason, printed(engine, short.name)) == (EndReason.COMPLETED, "ran\n")
    assert (lost.reason, lost.charged) == (EndReason.NODE_LOST, False)
    assert "started it a second time" in lost.message

    for asked in (short, long):
        engine.forget(asked.name)
        mortal.kill(asked.nodes[0])  # so that what is brought back has to wait
    forget_since(mortal, remembered)
    assert len(mortal.command("squeue", "-h").splitlines()) == 2
    engine.nodes()
    wait_for(lambda: not mortal.command("squeue", "-h"), 20, "nothing to be left in Slurm")
    for node in mortal.nodes:
        mortal.start_daemon(node)
    mortal.wait_for_nodes()


def test_what_waits_for_a_node_that_is_down_goes_back_in_line_and_leaves_nothing(mortal, monkeypatch):
    monkeypatch.setattr(known, "AWAY_SECONDS", 1.0)
    engine = engine_on(mortal, "down")
    engine.nodes()
    mortal.kill("n1")
    mortal.command("scontrol", "update", "nodename=n1", "state=down", "reason=test")
    asked = shell("echo ran")
    engine.start(asked)
    end = ended(engine, asked.name, 60)
    assert (end.reason, end.charged) == (EndReason.PREEMPTED, False)
    assert "UnavailableNodes:n1" in end.message
    assert printed(engine, asked.name) == ""
    assert mortal.command("squeue", "-h") == ""
    mortal.start_daemon("n1")
    mortal.command("scontrol", "update", "nodename=n1", "state=resume", check=False)  # it may have come back by itself
    mortal.wait_for_nodes()


def forget_since(cluster: SlurmCluster, remembered: Mapping[Path, bytes]) -> None:
    """As when it dies before it has written down what came after that."""
    cluster.kill("slurmctld")
    for path, content in remembered.items():
        path.write_bytes(content)
    cluster.start_daemon("slurmctld")
    cluster.command("scontrol", "update", "partitionname=main", "state=up")
