"""Why a job waits: a code for programs, a sentence for people, and the numbers behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from scheduling import gpu_hours, memory_units


class ReasonCode(StrEnum):
    NEW = "new"
    HELD = "held"
    QUEUE_PAUSED = "queue_paused"
    QUEUE_LIMIT = "queue_limit"
    QUEUE_POLICY = "queue_policy"
    DEPENDENCY = "dependency"
    DEPENDENCY_FAILED = "dependency_failed"
    NOT_BEFORE = "not_before"
    UNSUPPORTED = "unsupported"
    QUOTA = "quota"
    NO_NODE = "no_node"
    HARDWARE = "hardware"
    RESOURCES = "resources"
    AHEAD = "ahead"
    RESERVED = "reserved"
    ELSEWHERE = "elsewhere"
    TURN = "turn"
    DUE = "due"
    BUDGET = "budget"
    WORKLOAD = "workload"
    WORKLOAD_LIMIT = "workload_limit"
    CLUSTER = "cluster"
    QUOTA_PROVIDER_AWAY = "quota_provider_away"
    SECRETS = "secrets"
    NODE_LEAVES = "node_leaves"


SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.NEW: "Just submitted: the next scheduling cycle will look at it.",
    ReasonCode.HELD: "Somebody holds it back: it does not start before it is released.",
    ReasonCode.QUEUE_PAUSED: "Its queue is paused.",
    ReasonCode.QUEUE_LIMIT: "Its queue runs as many jobs at once as it may.",
    ReasonCode.QUEUE_POLICY: "Its queue asks for a scheduling policy that does not exist.",
    ReasonCode.DEPENDENCY: "A job that it depends on has not completed yet.",
    ReasonCode.DEPENDENCY_FAILED: "A job that it depends on failed or was cancelled.",
    ReasonCode.NOT_BEFORE: "It may not start yet.",
    ReasonCode.UNSUPPORTED: "It asks for something that is not supported yet.",
    ReasonCode.QUOTA: "It would take its project, or one above it, over its quota.",
    ReasonCode.NO_NODE: "No node takes jobs: none is up, or those that are drain or have a full disk.",
    ReasonCode.HARDWARE: "No node that is up has the hardware it needs.",
    ReasonCode.RESOURCES: "What it needs is taken by other jobs.",
    ReasonCode.AHEAD: "Another job goes first.",
    ReasonCode.RESERVED: "The nodes with room are reserved for others, or for maintenance, before it would have ended.",
    ReasonCode.ELSEWHERE: "It failed a moment ago on the nodes that have room; others could take it, and are taken now.",
    ReasonCode.TURN: "There is room, but before its turn only a job may have it that saves its work and can be stopped again.",
    ReasonCode.DUE: "Its turn has come: it starts as soon as others have stopped to make room for it.",
    ReasonCode.BUDGET: "With what it may cost, its project, or one above it, could spend more than its budget.",
    ReasonCode.WORKLOAD: "Its workload has not been started, is paused, or stops because a job of it failed.",
    ReasonCode.WORKLOAD_LIMIT: "Its workload runs as many jobs at once as it may.",
    ReasonCode.CLUSTER: "The only cluster that could run it does not answer.",
    ReasonCode.QUOTA_PROVIDER_AWAY: "The system that says what its project may hold does not answer.",
    ReasonCode.SECRETS: "A secret that it names does not exist any more.",
    ReasonCode.NODE_LEAVES: "The nodes with room for it leave before it would have ended.",
}
"""What each code means in general; a reason's own sentence says it for the job at hand."""

DIGITS_BELOW_ONE = 2

HOLDERS_SHOWN = 10
"""A reason names at most so many jobs."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a job waiting. Without a sentence of its own it takes the general one of its code."""

    code: ReasonCode
    sentence: str = ""
    shortfall: Mapping[str, int] = field(default_factory=dict, hash=False)
    held_by: tuple[int, ...] = ()
    expected_clear: float | None = None  # when it will probably no longer hold; told by `blockers`, not by each plan
    subject: str = ""  # the project whose quota it is, or the queue: the sentence names it, `blockers` looks it up
    holds: Mapping[int, Mapping[str, int]] = field(
        default_factory=dict, hash=False
    )  # what each holder has; of jobs that not everybody may see
    budget: Mapping[str, object] = field(default_factory=dict, hash=False)  # of a budget: its figures, as text

    def __post_init__(self) -> None:
        if not self.sentence:
            object.__setattr__(self, "sentence", SENTENCES[self.code])

    def as_data(self) -> dict[str, object]:
        """The reason as JSON can carry it."""
        data: dict[str, object] = {
            "code": str(self.code),
            "sentence": self.sentence,
            "shortfall": dict(self.shortfall),
            "held_by": list(self.held_by),
        }
        if self.budget:
            data["budget"] = dict(self.budget)
        return data if self.expected_clear is None else data | {"expected_clear": self.expected_clear}


NEW = Reason(ReasonCode.NEW)
"""The reason of a job that no cycle has seen yet."""


def quantity(name: str, amount: int) -> str:
    """An amount in words: "1 GPU", "16 CPUs", "1.5 GB of memory", "12.5 GPU-hours ahead"."""
    return f"{number(name, amount)} {noun(name, amount)}"


def number(name: str, amount: int) -> str:
    """An amount without its noun: "1", "16", "1.5 GB"."""
    if name == "gpu_seconds_ahead":
        return f"{gpu_hours.hours(amount):g}"
    return gigabytes(amount) if name == "memory_mb" else str(amount)


def noun(name: str, amount: int) -> str:
    if name == "memory_mb":
        return "of memory"
    if name == "gpu_seconds_ahead":
        return "GPU-hour ahead" if gpu_hours.hours(amount) == 1 else "GPU-hours ahead"
    singular = {"gpus": "GPU", "cpus": "CPU", "running_jobs": "running job", "waiting_jobs": "waiting job"}[name]
    return singular if amount == 1 else f"{singular}s"


def gigabytes(megabytes: int) -> str:
    """Memory in words, as it was asked for: "80 GB", "79.647 GB", "0.7 GB"; what nobody writes in GB is in MB: "100 MB"."""
    asked = memory_units.gigabytes(megabytes)
    if megabytes < memory_units.MB_IN_A_GB and round(asked, DIGITS_BELOW_ONE) != asked:
        return f"{megabytes} MB"
    return in_gigabytes(asked)


def gpu_gigabytes(megabytes: int) -> str:
    """The least memory of a GPU in words, as it was asked for: "80 GB"."""
    return in_gigabytes(memory_units.gpu_gigabytes(megabytes))


def in_gigabytes(amount: float) -> str:
    return f"{amount:.3f}".rstrip("0").rstrip(".") + " GB"


def spelt_moment(moment: float, *, to_the_second: bool = False) -> str:
    """A moment as people read it: "2030-05-01 18:00 UTC"."""
    exact = ":%S" if to_the_second else ""
    return datetime.fromtimestamp(moment, UTC).strftime(f"%Y-%m-%d %H:%M{exact} UTC")


def spelt(seconds: int) -> str:
    """A length of time, exactly: "45s", "1h 30m", "1d 5m 7s"."""
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts) or "0s"


def listed(parts: Iterable[str]) -> str:
    """Words in a row: "a", "a and b", "a, b and c"."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
