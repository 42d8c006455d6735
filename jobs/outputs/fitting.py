"""What of the files that an attempt left fits into what its project keeps: room is made for it, and what has none is said."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jobs.models import KeptFile, KeptOutputs
from jobs.outputs import forgetting, project_limits
from jobs.outputs.project_limits import Level, in_words
from scheduling.lifecycle import TERMINAL_STATES

NO_ROOM = "No room for it"


@dataclass(frozen=True, slots=True)
class Room:
    """The most that a project takes in now, if all goes that may; and why it is no more. Bytes."""

    most: int
    words: str


def room_of(kept: KeptOutputs) -> Room | None:
    """For all that a placement left, with what of it is here already; None: nothing limits it."""
    levels = project_limits.levels_of(_project(kept))
    wanted = forgetting.wanted() if levels else ()
    rooms = [_room(level, kept, wanted, here=kept.size) for level in levels]
    return min(rooms, key=lambda room: room.most, default=None)


def checkpoints_count(kept: KeptOutputs) -> bool:
    """Those of a job that goes on always come in: without them its work would be lost. They count, and go once it is over."""
    return kept.placement.attempt.job.state in TERMINAL_STATES


def fit(kept: KeptOutputs, rows: Sequence[KeptFile]) -> None:
    """Make room for these files, which are not written yet; those that have none are left out, each with why.

    Inside of the transaction that writes them, with the row of what the placement left locked: the limits are locked
    behind it, so that of two uploads the second sees what the first has taken.
    """
    levels = project_limits.levels_of(_project(kept), locked=True)
    if not levels:
        return
    wanted = forgetting.wanted()
    room = min((_room(level, kept, wanted) for level in levels), key=lambda one: one.most)
    need = 0
    for row in rows:
        if row.state != KeptFile.State.KEPT:
            continue
        exempt = row.kind == KeptFile.Kind.CHECKPOINT and not checkpoints_count(kept)
        if exempt or need + row.size <= room.most:
            need += row.size
        else:
            row.state, row.message, row.blobs = KeptFile.State.LEFT_OUT, room.words[:200], []
    for level in levels:
        used = project_limits.used_by(level.below)  # again: what goes for one level counts for those above
        if (over := used + need - level.most) > 0:
            forgetting.make_room(level, over, wanted, but=kept.attempt_id)


def refused(kept: KeptOutputs) -> tuple[int, int]:
    """How many files were left out here, and their bytes; its agent counts those that it left out itself, of which there is no hash."""
    rows = KeptFile.objects.filter(outputs=kept, state=KeptFile.State.LEFT_OUT).exclude(sha256="")
    sizes = list(rows.values_list("size", flat=True))
    return len(sizes), sum(sizes)


def why_refused(kept: KeptOutputs) -> str:
    """In words, if its project had no room for some of them: here or on the node; empty: it had."""
    rows = KeptFile.objects.filter(outputs=kept, state=KeptFile.State.LEFT_OUT, message__startswith=NO_ROOM)
    return rows.values_list("message", flat=True).first() or ""


def _project(kept: KeptOutputs) -> int:
    return kept.placement.attempt.job.project_id


def _room(level: Level, kept: KeptOutputs, wanted: Collection[int], *, here: int = 0) -> Room:
    stays = level.used - here - forgetting.could_free(level, wanted, but=kept.attempt_id)
    words = f"{NO_ROOM}: {level.slug} keeps at most {in_words(level.most)}, and {in_words(stays)} are to stay."
    return Room(max(0, level.most - stays), words)
