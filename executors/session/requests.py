"""What is said to a node's session: who the agent is, what it asks, and what it reports."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from executors.run.placement_run import PlacementRun
from executors.session.lifetime import ENDLESS, Lifetime
from jobs.state.outcome import PlacementOutcome, PlacementRef


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an agent says it is: the node it speaks for, one run of its process, and until when that is there."""

    name: str
    agent_id: UUID
    version: str = ""
    boot_id: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    lifetime: Lifetime = ENDLESS


@dataclass(frozen=True, slots=True)
class Claim:
    """The question whether this node may run this placement."""

    ref: PlacementRef
    answer: "Future[PlacementRun | None]" = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Finish:
    """A report: this run has ended like this."""

    run: PlacementRun
    ending: PlacementOutcome
    answer: "Future[bool]" = field(default_factory=Future)
