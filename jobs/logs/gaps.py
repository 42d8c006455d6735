"""What is missing from a log, told in the log itself: a line of the platform's own where the bytes would be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from workers.runtime.log_reader import HELD_BACK

NODE_LOST = "node_lost"
ROWS_LOST = "rows_lost"
OBJECT_LOST = "object_lost"
CAUSES = {
    "limit": "the log limit of {limit:g} MB was reached, and of the later output only the end is kept",
    "disk_full": "the node's disk was full",
    "unwritable": "the node could not write them",
    "removed": "their file on the node was removed or changed",
    "shim_killed": "the process that wrote them down was killed",
    "cluster": "the cluster did not keep them",
    NODE_LOST: "the node fell silent before it had sent them",
    ROWS_LOST: "they are not in the database any more",
    OBJECT_LOST: "they cannot be read in the storage any more",
}
"""Why bytes are missing, by the word that stands for it in JSON."""
HELD_BACK_LINE = (
    "[trainyard: most of the log limit of {limit:g} MB is used: of what comes now the end is kept, "
    "and shown when the attempt is over]"
)

ADD_LOST_ENDS = """
    INSERT INTO jobs_logchunk (attempt_id, rank, number, "offset", data, gap, missing)
    SELECT placement.attempt_id, placement.rank, coalesce(last.number + 1, 0), coalesce(last.offset + length(last.data), 0),
           CASE WHEN substring(last.data FROM length(last.data)) <> '\\x0a'::bytea THEN %(inside)s ELSE %(outside)s END, %(reason)s, NULL
    FROM jobs_placement AS placement LEFT JOIN LATERAL (
        SELECT number, "offset", data FROM jobs_logchunk AS chunk
        WHERE chunk.attempt_id = placement.attempt_id AND chunk.rank = placement.rank ORDER BY number DESC LIMIT 1
    ) AS last ON true
    WHERE placement.id = ANY(%(placements)s)
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class TextGap:
    """A place in the text of a log: its line of `length` bytes at `offset` tells of `missing` bytes, None if unknown."""

    offset: int
    length: int
    missing: int | None
    reason: str


def gap_line(missing: int | None, reason: str, *, inside_line: bool) -> bytes:
    """The line that tells of a gap; it begins with a line break when it would stand in the middle of a line."""
    text = HELD_BACK_LINE if reason == HELD_BACK else f"[trainyard: {_loss(missing)}: {CAUSES.get(reason, reason)}]"
    start = "\n" if inside_line else ""
    return f"{start}{text.format(limit=settings.LOG_LIMIT_MB)}\n".encode()


def add_lost_ends(placement_ids: Sequence[int]) -> None:
    """End the logs of placements that were closed without a word from their nodes: something may be missing there."""
    parameters: dict[str, Any] = {
        "placements": list(placement_ids),
        "reason": NODE_LOST,
        "inside": gap_line(None, NODE_LOST, inside_line=True),
        "outside": gap_line(None, NODE_LOST, inside_line=False),
    }
    with connection.cursor() as cursor:
        cursor.execute(ADD_LOST_ENDS, parameters)


def _loss(missing: int | None) -> str:
    if missing is None:
        return "output may be missing here"
    return f"{missing:,} {'byte' if missing == 1 else 'bytes'} of output {'is' if missing == 1 else 'are'} missing here"
