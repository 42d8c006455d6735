"""Whose outputs this node has still to upload: a file for each placement, so that the next agent goes on with it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jobs.attempts.claims import PlacementSpec
from workers.runtime.process import replace_file

OUTBOX = "outbox"


class Waiting(NamedTuple):
    """What one placement has left."""

    placement_id: int
    token: str
    job_id: int
    attempt: int


def put(node: Path, claimed: PlacementSpec) -> None:
    """From now on it is to be uploaded, by whichever agent of the node. Raises OSError."""
    (node / OUTBOX).mkdir(exist_ok=True, mode=0o700)
    said = {"token": claimed.token, "job_id": claimed.job_id, "attempt": claimed.attempt}
    replace_file(node / OUTBOX / str(claimed.placement_id), json.dumps(said))


def holds(node: Path, placement_id: int) -> bool:
    return (node / OUTBOX / str(placement_id)).exists()


def remove(node: Path, placement_id: int) -> None:
    """It is uploaded, or nobody wants it any more."""
    (node / OUTBOX / str(placement_id)).unlink(missing_ok=True)


def waiting(node: Path) -> Iterator[Waiting]:
    """The oldest placement first; a file that cannot be read is nobody's."""
    with contextlib.suppress(FileNotFoundError):
        names = [path for path in (node / OUTBOX).iterdir() if path.name.isdecimal()]
        for path in sorted(names, key=lambda one: int(one.name)):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                data = json.loads(path.read_bytes())
                yield Waiting(int(path.name), str(data["token"]), int(data["job_id"]), int(data["attempt"]))
