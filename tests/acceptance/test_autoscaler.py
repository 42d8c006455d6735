"""`manage.py autoscaler` over a real pool: killed again and again while short jobs come and go, it loses none and doubles nothing."""

import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from django.db import connection
from django.db.models import QuerySet

from jobs.models import Attempt, Job
from jobs.planning import cycle
from jobs.planning.pool_scaling import scale_pools
from tests.acceptance.platform import Platform, submitted
from tests.acceptance.test_pool import cmdline
from tests.waiting import wait_for
from workers.models import Node, NodePool

POOL = "scaled"
"""Other tests have pools on the same machine meanwhile, by other names."""
KILLS = 20
JOBS = 36


def start_autoscaler(platform: Platform) -> None:
    platform._start("autoscaler", [sys.executable, "manage.py", "autoscaler", "--every", "0.2"])


def agents() -> list[str]:
    """The names of this pool's agents, one for each process."""
    found = (cmdline(process) for process in psutil.process_iter())
    names = (words[words.index("--name") + 1] for words in found if "manage.py" in words and "--name" in words)
    return [name for name in names if name.startswith(f"{POOL}-")]


def drained() -> QuerySet[Node]:
    return Node.objects.filter(cordoned=True, removed_at__isnull=True)


class Deciding(threading.Thread):
    """As beat does, only more often; and looks whether ever two agents have one name."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()
        self.doubled: list[str] = []
        self.most = 0

    def run(self) -> None:
        while not self.over.wait(0.4):
            scale_pools()
            cycle.run_cycle()
            running = Counter(agents())
            self.doubled += [name for name, number in running.items() if number > 1]
            self.most = max(self.most, len(running))
        connection.close()


@pytest.mark.timeout(240)
def test_killed_twenty_times_it_makes_no_double_agent_and_ends_no_job(platform: Platform, tmp_path: Path):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    NodePool.objects.create(
        name=POOL, cpus=1, memory_mb=1024, max_nodes=4, actuator="local", scale_up_seconds=0, scale_down_seconds=2
    )
    platform.start_control()
    pool = ["pool", "start", "--name", POOL, "--agents", "0", "--cpus", "1", "--memory-gb", "1.074", "--oversubscribe"]
    platform._start("pool", [sys.executable, "manage.py", *pool, "--label", f"pool={POOL}"], TRAINYARD_ROLE="node")
    deciding = Deciding()
    deciding.start()
    dice = random.Random(7)  # noqa: S311  no secret
    try:
        jobs: list[Job] = []
        for kill in range(KILLS):
            start_autoscaler(platform)
            if kill % 5 == 0:
                jobs += submitted(*[f"sleep {dice.uniform(0.1, 1):.1f}"] * (JOBS // (KILLS // 5)))
            time.sleep(dice.uniform(0.5, 3.5))
            platform.kill("autoscaler")
        start_autoscaler(platform)
        done = Job.objects.filter(pk__in=[job.pk for job in jobs], state="completed")
        wait_for(
            lambda: done.count() == len(jobs), 180, f"all jobs; {platform.log('autoscaler')}{platform.log('pool')}"
        )
        wait_for(lambda: not agents(), 120, lambda: f"the pool to shrink to nothing; {platform.log('pool')}")
        wait_for(lambda: not drained().exists(), 30, "the last one's row, which follows its process")
    finally:
        deciding.over.set()
        deciding.join()
    assert deciding.doubled == []
    assert deciding.most > 1
    assert Attempt.objects.count() == len(jobs), "no job was begun twice"
    assert not drained().exists(), "no node is left half drained"
