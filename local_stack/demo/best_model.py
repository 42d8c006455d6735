"""The best model of the sweep: fetched from the platform, and scored here, away from the node that trained it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local_stack.demo.following import Job
from local_stack.demo.rest import DemoRest
from local_stack.demo.results import accuracy
from local_stack.demo.sweep import EXAMPLE

MODEL = "model.npz"
COMING_SECONDS = 60
SCORE_SECONDS = 120
SAME = 0.003
"""One digit more or less of the 449: another processor may round otherwise."""


class NoModelError(Exception):
    """The best model is not to be had, or is none; says why."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A model that is here, and what it is worth here."""

    job: Job
    model: Path
    score: float

    def told(self, runs: int) -> str:
        size = f"{self.model.stat().st_size / 1000:.0f} kB"
        return (
            f"Best of {runs}: {self.job['name']}, accuracy {accuracy(self.job):.4f}; its {self.model.name} was fetched "
            f"({size}, verified) and scores {self.score:.4f} on the held-out digits here.\nIt is in {self.model}"
        )

    def shortcomings(self) -> list[str]:
        """That it is worth something else here than its job said; empty when all is well."""
        if abs(self.score - accuracy(self.job)) <= SAME:
            return []
        return [
            f"The model of job {self.job['id']} scores {self.score:.4f} here; the job reported {accuracy(self.job):.4f}."
        ]


def fetch_and_score(rest: DemoRest, job: Job, folder: Path) -> Scored:
    """Have what this job left in a folder, which has nothing else then, and score its model. Raises NoModelError or TrainyardError."""
    shutil.rmtree(folder, ignore_errors=True)  # what is there already would not be fetched
    state = rest.fetch_outputs(job, folder, COMING_SECONDS)
    model = folder / MODEL
    if not model.is_file():
        raise NoModelError(f"Job {job['id']} ({job['name']}) has left no {MODEL}: its outputs are {state}.")
    return Scored(job, model, score(model))


def score(model: Path) -> float:
    """What the example says of it. Raises NoModelError."""
    command = [sys.executable, str(EXAMPLE / "score.py"), str(model)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SCORE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NoModelError(f"{model} could not be scored within {SCORE_SECONDS} s.") from None
    if done.returncode:
        raise NoModelError(f"{model} could not be scored: {''.join(done.stderr.strip().splitlines()[-1:])}")
    return float(done.stdout.split()[-1])
