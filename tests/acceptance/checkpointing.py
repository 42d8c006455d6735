"""A small training run that can be stopped at any step: `checkpointing.py STEPS SECONDS_A_STEP`.

Its weights are a chain of digests, one link a step: a step that was lost or done twice would change all that follow.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

STOPPED_BY_SIGTERM = 143


def trained(weights: str, step: int) -> str:
    """The weights after one more step."""
    return hashlib.sha256(f"{weights} {step}".encode()).hexdigest()


def main(steps: int, seconds: float) -> None:
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    checkpoint = Path(os.environ["TRAINYARD_CHECKPOINT_DIR"]) / "latest.json"
    done, weights = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, "")
    print(f"resumed after step {done}" if done else "began", flush=True)
    for step in range(done + 1, steps + 1):
        time.sleep(seconds)
        weights = trained(weights, step)
        print(f"step {step}", flush=True)
        with Path(os.environ["TRAINYARD_REPORT"]).open("a") as report:
            report.write(json.dumps({"progress": step / steps, "step": step}) + "\n")
        if asked:
            draft = checkpoint.with_suffix(".draft")
            draft.write_text(json.dumps([step, weights]))
            draft.replace(checkpoint)
            sys.exit(STOPPED_BY_SIGTERM)
    print(f"weights {weights}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
