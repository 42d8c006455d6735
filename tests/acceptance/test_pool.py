"""`manage.py pool` with real agents: scaled, upgraded under running jobs, and gone without a trace."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jobs.models import Attempt, Job
from local_stack.pools.control_socket import ask
from local_stack.pools.home import PoolHome
from tests.acceptance.platform import ROOT, Platform, history, output, submitted, wait_for_state, words_of
from tests.acceptance.test_faults import ONE_LIFE
from tests.waiting import wait_for
from workers.models import Node

NODES = ("p-1", "p-2")
"""For which the pool and its agents have one role in the database."""


def pool(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "pool", *words, "--name", "p"]
    environment = {**platform.environment, "TRAINYARD_ROLE": "node", "DATABASE_URL": platform.agent_url(*NODES)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=90)


def started_pool(platform: Platform, *words: str) -> None:
    command = [sys.executable, "manage.py", "pool", "start", "--name", "p", "--cpus", "1", "--memory-gb", "1", *words]
    platform._start("pool", command, TRAINYARD_ROLE="node", DATABASE_URL=platform.agent_url(*NODES))


def up() -> list[str]:
    return list(Node.objects.filter(state="up", agent_id__isnull=False).values_list("name", flat=True))


@pytest.mark.usefixtures("executed")  # who stops it looks at its command
@pytest.mark.timeout(300)  # six agents start one after another: on a busy machine that takes its time
def test_a_pool_lives_through_upgrades_scaling_and_its_own_restart(platform: Platform, tmp_path: Path):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "60"
    home = PoolHome(platform.home, "p")
    said: list[str] = []
    platform.start_control()
    started_pool(platform, "--agents", "2")
    wait_for(lambda: up() == ["p-1", "p-2"], 40, lambda: f"two agents; {platform.log('pool')}")
    gate = tmp_path / "gate"
    jobs = submitted(*[f"echo before; while ! test -e {gate}; do sleep 0.2; done; echo after"] * 2)
    wait_for(lambda: Job.objects.filter(state="running").count() == 2, 30, "a job on each node")
    shims = {shim.pid for shim in platform.shims()}
    before = dict(Node.objects.values_list("name", "registered_at"))

    assert ask(home, {"verb": "restart"}, said.append) == 2
    assert said == ["replaced p-1", "replaced p-2"]
    assert all(node.registered_at > before[node.name] for node in Node.objects.all())

    assert pool(platform, "stop", "--leave").stdout == "pool p has ended, its jobs run on\n"
    assert platform.processes.pop("pool").wait(10) == 0
    started_pool(platform, "--agents", "2")
    wait_for(home.socket.exists, 30, "the pool to answer")
    ask(home, {"verb": "scale", "agents": 1, "mode": "wait"}, said.append)
    assert {shim.pid for shim in platform.shims()} == shims, "the commands never noticed"
    assert {agent["name"]: agent["state"] for agent in ask(home, {"verb": "status"}, said.append)} == {
        "p-1": "running",
        "p-2": "retiring",
    }
    gate.touch()
    for job in jobs:
        assert history(wait_for_state(job, "completed", timeout=60, platform=platform)) == ONE_LIFE
        assert output(job) == "before\nafter\n"
    ended = Node.objects.filter(name="p-2", state="down", cordoned=False)
    wait_for(ended.exists, 30, "the surplus to end, and its node to be open for the next time")
    assert Attempt.objects.count() == 2

    assert platform.stop("pool") == 0
    assert not any("p-1" in cmdline(process) for process in psutil.process_iter())


def cmdline(process: psutil.Process) -> list[str]:
    words = words_of(process)
    return words if "node" in words else []
