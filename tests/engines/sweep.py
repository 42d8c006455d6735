"""The runs: the demonstration's, dealt out to whoever may run them."""

from typing import Any

from local_stack.demo import sweep
from scheduling.executors import AGENT, ANY

ASKED = (AGENT, "kubernetes", "slurm", ANY)
AGENTS = ("cpu-1:cpus=2,gpus=2",)


def runs(workload: str, *, at_most: int, epochs: int) -> list[dict[str, Any]]:
    """As POST /jobs/batch takes them. Each fours ask for everybody, and in turn with and without a GPU."""
    jobs = sweep.runs(workload)[:at_most]
    for number, job in enumerate(jobs):
        job["executor"] = ASKED[(number + number // len(ASKED)) % len(ASKED)]
        job["command"] += ["--epochs", str(epochs)]
    return jobs
