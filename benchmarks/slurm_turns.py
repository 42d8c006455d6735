"""What `benchmarks.slurm_engine` measures: the same work through the engine and by bare `sbatch`, by turns."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from clusters.slurm.rest import RestClient
from executors.engine import Phase
from executors.slurm.engine import SlurmEngine
from executors.slurm.options import Options
from tests.clusters.slurm.slurm_cluster import SlurmCluster
from tests.executors.slurm.workloads import PATH, workload
from tests.waiting import wait_for

WARM_UP = 3
SCRIPT = "#!/bin/sh\ntrue\n"


def new_engine(cluster: SlurmCluster) -> SlurmEngine:
    path = f"{cluster.installed / 'programs'}:{PATH}"
    client = RestClient(cluster.url, token=cluster.token)
    return SlurmEngine(client, Options(partition="main", shared=Path(cluster.shared) / "bench", path=path))


def one_by_one(engine: SlurmEngine, cluster: SlurmCluster, number: int) -> dict[str, float]:
    """Milliseconds from the request to the moment at which its end is known, of each way, by turns."""
    ours, bare = [], []
    for turn in range(WARM_UP + number):
        found = through_engine(engine), by_sbatch(cluster)
        if turn >= WARM_UP:
            ours.append(found[0] * 1000)
            bare.append(found[1] * 1000)
    return {
        "engine_p50_ms": round(median(ours), 1),
        "sbatch_p50_ms": round(median(bare), 1),
        "difference_p50_ms": round(median(ours) - median(bare), 1),
    }


def through_engine(engine: SlurmEngine) -> float:
    began = time.monotonic()
    asked = workload("true")
    engine.start(asked)
    until_ended(engine, [asked.name])
    took = time.monotonic() - began
    engine.forget(asked.name)
    return took


def by_sbatch(cluster: SlurmCluster) -> float:
    """As a script does that wants to know: `sbatch --wait` looks seldom, so the controller is asked for the state."""
    began = time.monotonic()
    number = submit_bare(cluster)
    wait_for(
        lambda: cluster.command("squeue", "-h", "-t", "all", "-j", number, "-o", "%T") == "COMPLETED", 60, "its end"
    )
    return time.monotonic() - began


def submit_bare(cluster: SlurmCluster) -> str:
    return cluster.command("sbatch", "--parsable", "--mem=100", "-J", "bare", "-o", "/dev/null", text=SCRIPT)


def at_once(engine: SlurmEngine, cluster: SlurmCluster, number: int) -> dict[str, float]:
    """Jobs a second, from the first request to the last known end; as many at a time as the engine takes at once."""
    asked = [workload("true", nodes=(cluster.nodes[turn % len(cluster.nodes)],)) for turn in range(number)]
    began = time.monotonic()
    with ThreadPoolExecutor(engine.asks_at_once) as pool:
        list(pool.map(engine.start, asked))
    started = time.monotonic() - began
    until_ended(engine, [one.name for one in asked])
    ours = number / (time.monotonic() - began)
    began = time.monotonic()
    with ThreadPoolExecutor(engine.asks_at_once) as pool:
        list(pool.map(lambda _: submit_bare(cluster), range(number)))
    submitted = time.monotonic() - began
    wait_for(lambda: not cluster.command("squeue", "-h", "-n", "bare", "-o", "%i"), 300, "all to end")
    bare = number / (time.monotonic() - began)
    return {
        "engine_a_second": round(ours, 1),
        "sbatch_a_second": round(bare, 1),
        "rate_ratio": round(ours / bare, 2),
        "engine_starts_a_second": round(number / started, 1),
        "sbatch_starts_a_second": round(number / submitted, 1),
    }


def until_ended(engine: SlurmEngine, names: Sequence[str]) -> None:
    left = set(names)
    give_up_at = time.monotonic() + 300
    while left:
        left -= {name for name, seen in engine.observe().items() if seen.phase == Phase.ENDED}
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{len(left)} did not end")
        if left:
            engine.wait(1)
