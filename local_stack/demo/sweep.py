"""The runs of the demonstration: one real training of the digits example for each pair of hyper-parameters."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local_stack.servers.roles import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "digits"
SCRIPT = EXAMPLE / "train.py"
PROJECT = "default"
HIDDEN = (16, 64, 128, 256)
LEARNING_RATES = (0.02, 0.1, 0.5)
PRIORITIES = ("background", "normal", "urgent")
NODES = ("cpu-1:cpus=2", "gpu-1:cpus=2,gpus=2")
GOOD_ACCURACY = 0.97
"""What the best of these runs reaches: 0.98 or more of the digits that it never saw."""


def runs(workload: str, snapshot: str | None = None) -> list[dict[str, Any]]:
    """The jobs as POST /jobs/batch takes them, for this workload; background first, so that urgent ones overtake.

    Each runs in a copy of its own of the snapshot, or else in the checkout, which the nodes then have to have.
    """
    at = {"working_dir": str(EXAMPLE)} if snapshot is None else {"working_dir": "", "snapshot": snapshot}
    script = str(SCRIPT) if snapshot is None else SCRIPT.name
    pairs = enumerate(product(HIDDEN, LEARNING_RATES))
    jobs = [at | _run(script, hidden, rate, gpus=number % 2, workload=workload) for number, (hidden, rate) in pairs]
    for number, job in enumerate(jobs):
        job["priority"] = PRIORITIES[number * len(PRIORITIES) // len(jobs)]
    return jobs


def _run(script: str, hidden: int, rate: float, *, gpus: int, workload: str) -> dict[str, Any]:
    return {
        "name": f"digits h{hidden} lr{rate:g}",
        "project": PROJECT,
        "command": [sys.executable, script, "--hidden", str(hidden), "--learning-rate", f"{rate:g}"],
        "resources": {"cpus": 1, "gpus": gpus, "memory_gb": 0.25},
        "checkpointable": True,
        "max_retries": 1,
        "submission_key": f"{workload} {hidden} {rate:g}",
    }


@contextmanager
def code_of_nobody() -> Iterator[Path]:
    """The example in a folder that is gone afterwards: a node that runs it was sent it."""
    with TemporaryDirectory(prefix="trainyard-demo-") as folder:
        shutil.copytree(
            EXAMPLE, Path(folder), ignore=shutil.ignore_patterns("digits-run", "__pycache__"), dirs_exist_ok=True
        )
        yield Path(folder)
