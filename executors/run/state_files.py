"""What an agent writes down of a placement in its folder, so that the next agent of the node says what this one could not.

`claim.json`: what was claimed, and under which boot of the machine. `stop.json`: why the command is being stopped, and
what of its work was saved by then.
`ending.json`: how it ended, before the database is told. The folder goes only when the database has it.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from executors.run.saving import Before
from jobs.attempts.claims import PlacementSpec
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from telemetry.origin import Origin
from workers.runtime.process import replace_file

BESIDE = ("origin", "code", "secrets", "secret_files", "inputs", "environment")
CLAIM, STOP, ENDING = "claim.json", "stop.json", "ending.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Which boot of the machine this is; empty where the kernel does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def write_claim(folder: Path, claimed: PlacementSpec) -> None:
    """Raises OSError: without it nobody could go on with what is started."""
    known = claim_as_data(claimed)
    # Beside what was claimed: an agent of an earlier release takes every word of that for its own.
    data = {"boot_id": boot_id(), **{name: known.pop(name) for name in BESIDE}, "claimed": known}
    replace_file(folder / CLAIM, json.dumps(data))


def read_claim(folder: Path) -> tuple[PlacementSpec, bool] | None:
    """What was claimed, and whether the machine has been restarted since; None if that cannot be read."""
    data = _read(folder / CLAIM)
    try:
        known = data.get("claimed", data)  # agents once wrote nothing else
        claimed = claim_from_data({**known, **{name: data[name] for name in BESIDE if name in data}})
        return claimed, bool(boot_id()) and data.get("boot_id", boot_id()) != boot_id()
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def note_stop(folder: Path, reason: EndReason, *, gives_way: bool, before: Before | None = None) -> None:
    """On a full disk it stays unsaid: the next agent then takes the command for one that was stopped by a drain."""
    with contextlib.suppress(OSError):
        replace_file(folder / STOP, json.dumps({"reason": reason, "gives_way": gives_way, "before": before}))


def read_stop(folder: Path) -> tuple[EndReason, bool, Before | None] | None:
    """Why an earlier agent stopped the command, whether it was to give way, and what of its work was saved then."""
    data = _read(folder / STOP)
    try:
        before = data.get("before")
        return EndReason(data["reason"]), bool(data["gives_way"]), Before(*before) if before else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def write_outcome(folder: Path, outcome: PlacementOutcome) -> None:
    """On a full disk it stays unsaid: the next agent then works it out again from what the shim wrote."""
    data = asdict(outcome)
    # The file's own words: agents of other releases read it.
    data["ticket"] = data.pop("ref")
    data["started_at"] = outcome.started_at.isoformat() if outcome.started_at else None
    with contextlib.suppress(OSError):
        replace_file(folder / ENDING, json.dumps(data))


def read_outcome(folder: Path) -> PlacementOutcome | None:
    """The end that an earlier agent worked out and that the database perhaps has not heard of."""
    data = _read(folder / ENDING)
    try:
        started_at = datetime.fromisoformat(data["started_at"]) if data["started_at"] else None
        ref = PlacementRef(**data.pop("ticket"))
        return PlacementOutcome(ref=ref, **{**data, "reason": EndReason(data["reason"]), "started_at": started_at})
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def claim_as_data(claimed: PlacementSpec) -> dict[str, Any]:
    return asdict(claimed)


def claim_from_data(data: dict[str, Any]) -> PlacementSpec:
    """The inverse of `claim_as_data`; raises TypeError or KeyError when it is not such data."""
    lists: Iterable[str] = ("command", "gpu_indices")
    origin = Origin(**data.get("origin", {}))
    secrets = tuple(data.get("secrets", ()))
    return PlacementSpec(
        **{**data, **{name: tuple(data[name]) for name in lists}, "origin": origin, "secrets": secrets}
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
