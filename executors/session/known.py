"""What an agent knows of its own session: for its exporter, while the database may be away."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from executors.run.placement_run import PlacementRun
from workers.runtime.shim.clock import boottime


@dataclass(frozen=True, slots=True)
class Held:
    """One placement: of which job, and what of the node it has."""

    job_id: int
    cpus: int
    gpu_indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What it holds, and what it has not been able to say."""

    held: tuple[Held, ...]
    suspended: int
    lease_seconds: float | None
    """Until the first lease runs out; None: there is none."""
    unsaid: int
    """Claims and ends that wait for the database."""
    silence_seconds: float | None
    """Since the database last took a heartbeat; None: it never has."""
    unsent_bytes: int
    """Of logs."""
    leaving: bool


def known_of(by_id: Mapping[int, PlacementRun], *, unsaid: int, heard_at: float, leaving: bool) -> Known:
    """From any thread, so by a copy. `heard_at` is on the monotonic clock, 0 before the first time."""
    runs = list(by_id.values())
    claimed = [run.claimed for run in runs]
    return Known(
        held=tuple(Held(one.job_id, one.cpus, one.gpu_indices) for one in claimed),
        suspended=sum(run.suspended for run in runs),
        lease_seconds=min((run.lease_deadline - boottime() for run in runs), default=None),
        unsaid=unsaid,
        silence_seconds=time.monotonic() - heard_at if heard_at else None,
        unsent_bytes=sum(run.log.unsent_bytes() for run in runs),
        leaving=leaving,
    )
