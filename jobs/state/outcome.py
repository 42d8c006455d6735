"""How one placement's command ended, as its node or the sweep reports it."""

from dataclasses import dataclass
from datetime import datetime

from jobs.state.transitions import MESSAGE_LENGTH
from scheduling.lifecycle import END_SENTENCES, EndReason


@dataclass(frozen=True, slots=True)
class PlacementRef:
    """What a doorbell carries: which placement, and the token that proves it is about the present attempt."""

    placement_id: int
    token: str


@dataclass(frozen=True, slots=True)
class PlacementOutcome:
    """How it ended. `charged` says whether it uses up one of the retries that the job has.

    `asked` says that the command was told to give way and ended in the time it was given for that, `saved` whether it
    wrote a checkpoint in that time (None: nobody looked).
    """

    ref: PlacementRef
    reason: EndReason
    exit_code: int | None = None
    message: str = ""
    started_at: datetime | None = None
    charged: bool = True
    asked: bool = False
    saved: bool | None = None
    peak_memory_mb: int | None = None
    cpu_seconds: float | None = None
    gpu_measured_seconds: float | None = None
    gpu_busy_seconds: float | None = None
    gpu_idle_seconds: float | None = None
    gpu_peak_memory_mb: int | None = None
    gpu_joules: float | None = None
    cpu_joules: float | None = None
    energy_partial: bool | None = None


def sentence(ending: PlacementOutcome) -> str:
    """The end in words."""
    return (ending.message or END_SENTENCES[ending.reason])[:MESSAGE_LENGTH]


def beyond_reason(reason: str, message: str) -> str:
    """What an end's message says beyond the sentence of its reason, which stands where nothing else was said."""
    return message.removeprefix(END_SENTENCES[EndReason(reason)]).lstrip() if reason else message
