"""The runs of the demonstration: one real training of the digits example for each pair of hyper-parameters."""

import sys
from itertools import product
from pathlib import Path
from typing import Any

from local_stack.servers.roles import CHECKOUT

SCRIPT = CHECKOUT / "examples" / "digits" / "train.py"
HIDDEN = (16, 64, 128, 256)
LEARNING_RATES = (0.02, 0.1, 0.5)
PRIORITIES = ("background", "normal", "urgent")
NODES = ("cpu-1:cpus=2", "gpu-1:cpus=2,gpus=2")
GOOD_ACCURACY = 0.97
"""What the best of these runs reaches: 0.98 or more of the digits that it never saw."""


def runs(workload: str) -> list[dict[str, Any]]:
    """The jobs as POST /jobs/batch takes them, for this workload; background first, so that urgent ones overtake."""
    pairs = enumerate(product(HIDDEN, LEARNING_RATES))
    jobs = [_run(hidden, rate, gpus=number % 2, workload=workload) for number, (hidden, rate) in pairs]
    for number, job in enumerate(jobs):
        job["priority"] = PRIORITIES[number * len(PRIORITIES) // len(jobs)]
    return jobs


def _run(hidden: int, rate: float, *, gpus: int, workload: str) -> dict[str, Any]:
    return {
        "name": f"digits h{hidden} lr{rate:g}",
        "project": "default",
        "command": [sys.executable, str(SCRIPT), "--hidden", str(hidden), "--learning-rate", f"{rate:g}"],
        "working_dir": str(Path(SCRIPT).parent),
        "resources": {"cpus": 1, "gpus": gpus, "memory_gb": 0.25},
        "checkpointable": True,
        "max_retries": 1,
        "submission_key": f"{workload} {hidden} {rate:g}",
    }
