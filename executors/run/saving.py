"""Whether a command that was told to give way saved its work: what was there when it was told, against its end."""

from pathlib import Path
from typing import NamedTuple

from workers.runtime.checkpoints import CheckpointMonitor
from workers.runtime.report_reader import checkpoint_after


class Before(NamedTuple):
    """When its newest checkpoint was written, by the clock of the file system that they lie on, and how long its report was."""

    newest: float
    reported: int


def before_stop(checkpoints: CheckpointMonitor | None, report: Path) -> Before | None:
    """What is there now; None of a command that has not begun."""
    if checkpoints is None:
        return None
    try:
        reported = report.stat().st_size
    except OSError:
        reported = 0
    return Before(checkpoints.newest(), reported)


def since(before: Before | None, checkpoints: CheckpointMonitor | None, report: Path) -> bool | None:
    """Whether a checkpoint came after that, in the folder for them or by the command's word; None: nobody looked then."""
    if before is None or checkpoints is None:
        return None
    return checkpoints.newest() > before.newest or checkpoint_after(report, before.reported)
