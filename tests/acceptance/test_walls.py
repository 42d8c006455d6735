"""A job under a real agent tries what the wall is there to refuse; and what is left of one that is cancelled."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from jobs.control.actions import cancel
from tests.acceptance.platform import output, submitted, wait_for_state, words_of
from tests.waiting import wait_for
from tests.workers import trespassing
from workers.models import Node
from workers.runtime.shim.wall import SHARED_MEMORY

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only an agent that runs as root has walls to build"),
    pytest.mark.usefixtures("executed"),
]
HOLD = """
import signal, sys, time
from multiprocessing import shared_memory
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = shared_memory.SharedMemory(name=sys.argv[1], create=True, size=10 << 20)
s.buf[:] = b"x" * len(s.buf)
print("holding", flush=True)
time.sleep(60)
"""


def test_a_job_reads_neither_the_platforms_secrets_nor_the_agents_environment_nor_another_jobs_folders(platform):
    platform.start("n1", TRAINYARD_RUN_AS="auto")
    home, agent = platform.home, platform.processes["n1"].pid
    for name in ("credentials.json", "env"):
        (home / name).write_text("secret")
        (home / name).chmod(0o600)
    (other,) = submitted("echo mine > $TRAINYARD_OUTPUT_DIR/o; echo mine > $TRAINYARD_CHECKPOINT_DIR/c; sleep 60")
    wait_for_state(other, "running")
    placement = next((home / "nodes/n1/attempts").iterdir())
    shims = [shim.pid for shim in platform.shims()]
    folders = [home / "jobs" / str(other.pk) / name for name in ("outputs/1/o", "checkpoints", "home")]

    (job,) = submitted(
        trespassing.command([home / "credentials.json", home / "env", placement, *folders], [agent, *shims])
    )
    wait_for_state(job, "completed", platform=platform)

    assert "tried" in output(job)
    assert "DONE" not in output(job)
    assert "each as a user of its own" in Node.objects.get().load["jobs_can_read"]


def test_nothing_of_a_cancelled_job_stays_in_shared_memory_or_in_tmp(platform):
    platform.start("n1", TRAINYARD_RUN_AS="auto")
    name = f"wall-{os.getpid()}"
    (job,) = submitted(["python3", "-c", HOLD, name])
    wait_for_state(job, "running")

    cancel(job_id=job.pk, actor="a test")
    wait_for_state(job, "cancelled", platform=platform)

    assert not Path(SHARED_MEMORY, name).exists()


HIDES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(300)", sys.argv[1]], {})
print("hidden", flush=True)
time.sleep(300)
"""


def test_the_next_agent_takes_over_what_runs_behind_walls_and_ends_it_whole(platform, tmp_path):
    walls = {"TRAINYARD_RUN_AS": "auto", "TRAINYARD_WALLS": "yes"}
    platform.start("n1", **walls)
    tag = f"{tmp_path.name}-{os.getpid()}"
    (job,) = submitted([sys.executable, "-S", "-c", HIDES, tag])
    wait_for_state(job, "running")
    wait_for(lambda: "hidden" in output(job))
    platform.kill("n1")
    platform.start_node("n1", **walls)
    assert Node.objects.get().load["walls"] == ["user", "files", "tmp", "processes", "devices"]

    cancel(job_id=job.pk, actor="a test")
    wait_for_state(job, "cancelled", platform=platform)

    assert job.attempts.count() == 1
    assert [process for process in psutil.process_iter() if tag in words_of(process)] == []


def test_an_agent_that_cannot_build_the_walls_that_were_asked_for_does_not_start(platform):
    platform.start_node("n1", wait=False, TRAINYARD_RUN_AS="agent", TRAINYARD_WALLS="yes")
    assert platform.processes["n1"].wait(60) == 1
    assert "TRAINYARD_WALLS=yes: jobs that run as the agent itself" in platform.log("n1")
    assert "Traceback" not in platform.log("n1")
