"""What is submitted in a drill, and when: drawn from a seed, so that a run can be repeated."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("job.py")
RETRIES = 2


class Kind(StrEnum):
    """What a job of the drill does."""

    STEADY = "steady"  # prints, and ends well
    CHECKPOINTING = "checkpointing"  # the same, and goes on where it was stopped
    FAILING = "failing"  # ends with exit code 3 every time
    FLAKY = "flaky"  # ends with exit code 3 the first time
    DEAF = "deaf"  # ignores SIGTERM
    DAEMON = "daemon"  # leaves a process in a session of its own
    MUTE = "mute"  # closes its output
    HOMELESS = "homeless"  # deletes the folder it works in
    BABBLER = "babbler"  # prints what is no text, reports what is no number


class Action(StrEnum):
    """What its owner does to a job some time after it was taken."""

    NONE = ""
    CANCEL = "cancel"
    REQUEUE = "requeue"
    PAUSE = "pause"  # and some time later:
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job: when it comes, counted from the start of the drill, what it does and what is done to it."""

    key: str
    at: float
    kind: Kind
    seconds: float
    priority: str = "normal"
    cpus: int = 1
    gpus: int = 0
    nodes: int = 1
    retries: int = 0
    action: Action = Action.NONE
    after: float = 0.0
    tick: float = 0.05
    project: str = "default"
    limit: int | None = None

    def request(self, diaries: Path) -> dict[str, Any]:
        """The body of its POST."""
        words = (self.kind.value, repr(self.seconds), str(diaries), repr(self.tick))
        return {
            "name": f"{self.kind}-{self.key}",
            "project": self.project,
            "command": [sys.executable, "-S", "-I", str(SCRIPT), *words],
            "priority": self.priority,
            "resources": {"cpus": self.cpus, "gpus": self.gpus, "nodes": self.nodes},
            "max_retries": self.retries,
            "checkpointable": self.kind == Kind.CHECKPOINTING,
            "submission_key": self.key,
            **({"max_runtime_seconds": self.limit} if self.limit else {}),
        }


KINDS: Sequence[tuple[Kind, float]] = (
    (Kind.STEADY, 60),
    (Kind.CHECKPOINTING, 16),
    (Kind.FAILING, 4),
    (Kind.FLAKY, 4),
    (Kind.DEAF, 3),
    (Kind.DAEMON, 4),
    (Kind.MUTE, 3),
    (Kind.HOMELESS, 3),
    (Kind.BABBLER, 3),
)
PRIORITIES = ("urgent", "normal", "normal", "background")


def plan_jobs(seed: int, count: int, seconds: float, *, gpus: bool = True) -> list[PlannedJob]:
    """`count` jobs that come in small bursts over `seconds`, by the time at which they come."""
    draw = random.Random(f"jobs {seed}")
    moments: list[float] = []
    while len(moments) < count:
        moments += [draw.uniform(0, seconds)] * min(draw.choice((1, 1, 1, 2, 4, 8)), count - len(moments))
    return [_job(draw, f"{seed}-{number}", at, gpus=gpus) for number, at in enumerate(sorted(moments))]


def _job(draw: random.Random, key: str, at: float, *, gpus: bool) -> PlannedJob:
    kind = draw.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])[0]
    nodes = draw.choices((1, 2, 3), (88, 8, 4))[0] if kind in (Kind.STEADY, Kind.CHECKPOINTING) else 1
    action = draw.choices((Action.NONE, Action.CANCEL, Action.REQUEUE, Action.PAUSE), (82, 8, 6, 4))[0]
    return PlannedJob(
        key=key,
        at=at,
        kind=kind,
        seconds=round(draw.choice((0.1, 0.3, 0.6, 1, 1, 2, 3, 6)) * draw.uniform(0.7, 1.3), 2),
        priority=draw.choice(PRIORITIES),
        cpus=draw.choice((1, 1, 1, 2)),
        gpus=draw.choices((0, 1, 2), (6, 3, 1))[0] if gpus else 0,
        nodes=nodes,
        retries={Kind.FAILING: 1, Kind.FLAKY: RETRIES}.get(kind, 0),
        action=Action.CANCEL if kind == Kind.DEAF and draw.random() < 0.5 else action,  # noqa: PLR2004  half of them
        after=draw.uniform(0, 6),
    )
