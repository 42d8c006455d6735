"""What an agent finds of the one before it: commands that run, ends that nobody was told of, and claims that came to nothing.

What is still the node's goes on. What is not is stopped; if its placement is open all the same, its end is reported at
once, as the node went by another name then. Nothing is reported of which it is not certain that it no longer runs.
"""

import logging
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from executors.run import state_files
from executors.run.placement_run import PlacementRun
from jobs.attempts import claims
from jobs.attempts.claims import PlacementSpec
from jobs.attempts.completion import finish
from jobs.state import transitions
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.runtime import process_tree
from workers.runtime.process import CommandResult, Shim, find_shim, never_launched, read_status
from workers.runtime.shim.clock import boottime

log = logging.getLogger(__name__)
RESTARTED = "The machine was restarted while the command ran."
RENAMED = "The node goes by another name now: what ran under the old one was stopped."
NEVER_BEGUN = "The node's agent ended before it had begun with it."


class Reattached(NamedTuple):
    """One placement as it was found: with its shim, or with the end to report, or with neither: not launched yet."""

    run: PlacementRun
    shim: Shim | None = None
    ending: PlacementOutcome | None = None

    @property
    def is_under_way(self) -> bool:
        return self.shim is not None or self.ending is not None


def reattach_runs(attempts: Path, *, node_id: int, agent_id: UUID) -> list[Reattached]:
    """Everything in the folder of attempts that is this node's to go on with, its lease renewed.

    A shim gets no more time than the database has just given its lease.
    """
    folders = list(attempts.iterdir())
    found = [left for left in map(_read_folder, folders) if left is not None]
    deadline = boottime() + settings.LEASE_SECONDS
    kept = claims.renew([left.run.claimed.ref for left in found], node_id=node_id).kept
    mine = [left for left in found if left.run.placement_id in kept]
    for left in mine:
        left.run.renew(deadline)
    # What is not ours is killed only after the database has said so: unknown never kills.
    _stop([left for left in found if left.run.placement_id not in kept])
    _release_unstarted(node_id, agent_id, {folder.name for folder in folders})
    _note_reattached(mine)
    return mine


def _read_folder(folder: Path) -> Reattached | None:
    """What is in one folder; None if that cannot be told: the folder is removed, and what might run of it ends."""
    known = state_files.read_claim(folder)
    if known is None:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    claimed, restarted = known
    run = PlacementRun(claimed, folder, lease_deadline=boottime())
    run.recall_stop()  # before its shim is attached: what was being stopped must not go on because we came
    if not never_launched(folder):
        run.measured.recall(folder)
    if ending := state_files.read_outcome(folder) or (_after_restart(run, claimed) if restarted else None):
        return Reattached(run, ending=ending)
    shim = find_shim(folder)
    # No shim, and perhaps there was one: what came of it nobody knows, so its lease runs out.
    if shim is None and not never_launched(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return Reattached(run, shim)


def _after_restart(run: PlacementRun, claimed: PlacementSpec) -> PlacementOutcome | None:
    """Nothing runs any more. The command's own end counts if it came before; None if it had not been launched."""
    if never_launched(run.folder):
        return None
    status = read_status(run.folder)
    if status is not None and status["phase"] == "ended":
        return run.outcome(CommandResult.from_status(status))
    return PlacementOutcome(claimed.ref, EndReason.NODE_LOST, message=RESTARTED)


def _stop(others: Sequence[Reattached]) -> None:
    """Kill what runs. Reports change nothing where the placement is closed or the token stale, as nearly always."""
    gone = []
    for left in others:
        log.warning(
            "Job %d is not this node's any more: what runs of it is stopped.",
            left.run.claimed.job_id,
            extra=left.run.claimed.ids,
        )
        if left.shim is not None:
            left.shim.kill()
        # Reported as gone only if nothing of it is left: else the lease runs out first, and the shim's time with it.
        if not process_tree.members(left.run.folder, read_status(left.run.folder)):
            gone.append(left.ending or PlacementOutcome(left.run.claimed.ref, EndReason.NODE_LOST, message=RENAMED))
        shutil.rmtree(left.run.folder, ignore_errors=True)
    if gone:
        finish(gone)


def _release_unstarted(node_id: int, agent_id: UUID, known: Collection[str]) -> None:
    """Claims of this node's earlier agent that left no folder behind: it ended between the two."""
    refs = [ref for ref in claims.claimed_not_started(node_id, agent_id) if str(ref.placement_id) not in known]
    if refs:
        finish([PlacementOutcome(one, EndReason.PLATFORM_ERROR, message=NEVER_BEGUN, charged=False) for one in refs])


def _note_reattached(mine: Sequence[Reattached]) -> None:
    under_way: Iterator[int] = (left.run.claimed.job_id for left in mine if left.shim is not None)
    message = "The node's agent was restarted and goes on with it."
    transitions.note(under_way, "adopted", message=message)
