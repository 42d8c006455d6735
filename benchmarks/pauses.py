"""`python -m benchmarks.pauses --python VENV/bin/python`: pauses real training again and again; counts what it loses.

The Python needs torch, transformers, accelerate and lightning. A pause is lost when no whole checkpoint is there that
was written after the request, or when the training does not go on from a later step than before.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.client import Client
from benchmarks.stack import CHECKOUT, Stack, private, wait_until
from trainyard.checkpoints import is_whole

TRAINING = CHECKOUT / "benchmarks" / "training"
PATTERNS = {"loader": "*.pt", "trainer": "checkpoint-*", "lightning": "*.ckpt", "torchrun": "*.pt"}
SECONDS = 180
STATE = "SELECT state FROM jobs_job WHERE id = %s"
REPORTED = "SELECT (metrics->>'attempt')::int, (metrics->>'step')::float FROM jobs_job WHERE id = %s"


def commands(python: str) -> dict[str, list[str]]:
    torchrun = "exec {0} -m torch.distributed.run --nnodes $WORLD_SIZE --node-rank $RANK --nproc-per-node 2"
    torchrun += " --master-addr $MASTER_ADDR --master-port $MASTER_PORT {1}/gang.py"
    return {
        "loader": [python, f"{TRAINING}/loader.py"],
        "trainer": [python, f"{TRAINING}/trainer.py"],
        "lightning": [python, f"{TRAINING}/lightning_module.py"],
        "torchrun": ["sh", "-c", torchrun.format(python, TRAINING)],
    }


class Training:
    """One job, which is paused and resumed."""

    def __init__(self, stack: Stack, kind: str, python: str) -> None:
        self.stack = stack
        self.kind = kind
        self.step = 0.0
        self.attempt = self.began_at = 0
        nodes = 2 if kind == "torchrun" else 1
        body = {
            "name": kind, "project": "default", "command": commands(python)[kind], "checkpointable": True,
            "resources": {"nodes": nodes, "cpus": 1}, "max_retries": 0,
        }  # fmt: skip
        self.id = int(self.post("/api/v1/jobs", body)["id"])

    def post(self, path: str, body: dict[str, Any]) -> Any:
        with Client(self.stack) as client:
            return client.post(path, body)

    def row(self, query: Any) -> tuple[Any, ...]:
        with self.stack.database() as database:
            return database.execute(query, [self.id]).fetchone() or (None, None)

    def until(self, what: str, holds: Any) -> None:
        def may_go_on() -> bool:
            if self.row(STATE)[0] in ("failed", "cancelled", "completed"):
                raise RuntimeError(f"job {self.id} is {self.row(STATE)[0]}")
            return bool(holds())

        wait_until(may_go_on, SECONDS, what)

    def trains(self) -> bool:
        """Whether a new attempt has said that it runs, and then a step."""
        attempt, step = self.row(REPORTED)
        if attempt is None or step is None or attempt <= self.attempt:
            return False
        before, self.step = self.step, step
        if self.began_at != attempt:
            self.began_at = attempt
        elif before != step:
            self.attempt = attempt
        return self.attempt == attempt

    def pause(self) -> bool:
        """Pause it while it trains; whether a whole checkpoint of the time since is there."""
        self.until("a step", self.trains)
        time.sleep(random.uniform(0, 0.5))  # noqa: S311  anywhere within a step
        asked_at = time.time()
        self.post(f"/api/v1/jobs/{self.id}/pause", {})
        self.until("the pause", lambda: self.row(STATE)[0] == "paused")
        return any(path.stat().st_mtime > asked_at and is_whole(path) for path in self.checkpoints())

    def checkpoints(self) -> list[Path]:
        return list((self.stack.home / "jobs" / str(self.id) / "checkpoints").glob(PATTERNS[self.kind]))

    def resume(self) -> None:
        self.post(f"/api/v1/jobs/{self.id}/resume", {})

    def log(self) -> str:
        with Client(self.stack) as client:
            return str(client.get(f"/api/v1/jobs/{self.id}/logs")["text"])[-6000:]


@contextmanager
def job(stack: Stack, kind: str, python: str) -> Iterator[Training]:
    training = Training(stack, kind, python)
    try:
        yield training
    finally:
        training.post(f"/api/v1/jobs/{training.id}/cancel", {})


def lost(stack: Stack, kind: str, python: str, pauses: int) -> int:
    """How many of the pauses left no whole checkpoint."""
    count = 0
    with job(stack, kind, python) as training:
        for number in range(1, pauses + 1):
            whole = training.pause()
            count += not whole
            print(f"{kind} {number}/{pauses} step {training.step:g} {'saved' if whole else 'LOST'}", flush=True)
            if not whole:
                print(training.log(), flush=True)
            training.resume()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pauses", description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter that has the frameworks")
    parser.add_argument("--pauses", type=int, default=100)
    parser.add_argument("--kinds", nargs="*", choices=sorted(PATTERNS), default=sorted(PATTERNS))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the stack is stopped on the way out
    with private(cpus=4, nodes=2) as stack:
        counts = {kind: lost(stack, kind, options.python, options.pauses) for kind in options.kinds}
    for kind, count in counts.items():
        print(f"{kind}: {count} of {options.pauses} pauses without a whole checkpoint")
    sys.exit(any(counts.values()))


if __name__ == "__main__":
    main()
