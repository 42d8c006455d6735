"""Blobs as the site sends them to a node, for a placement that may be stopped meanwhile."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence

from django.conf import settings

from executors.node.site import FetchError
from executors.run.placement_run import PlacementRun
from jobs.code.manifest import PART_BYTES

BATCH_BYTES, BATCH_BLOBS = 32 * 1024 * 1024, 5000
LOOK_SECONDS = 0.2


class StoppedError(Exception):
    """The job is to end before it has begun."""


def read_index(line: bytes, wanted: set[str]) -> list[tuple[str, int]]:
    """What comes after this line, in order. Raises FetchError for what nobody asked for."""
    try:
        index = [(str(sha256), int(size)) for sha256, size in json.loads(line)]
    except (TypeError, ValueError) as error:
        raise FetchError(f"{settings.CODE_URL} does not speak Trainyard") from error
    if any(sha256 not in wanted or not 0 < size <= PART_BYTES for sha256, size in index):
        raise FetchError("the site sends what was not asked for")
    return index


class Reader:
    """An answer, a line or so many bytes at a time."""

    def __init__(self, pieces: Iterator[bytes], run: PlacementRun) -> None:
        self._pieces = pieces
        self._run = run
        self._data = bytearray()

    def line(self) -> bytes:
        while b"\n" not in self._data:
            self._more()
        end = self._data.index(b"\n") + 1
        return self.take(end)

    def take(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _more(self) -> None:
        if self._run.stopping is not None:
            raise StoppedError
        piece = next(self._pieces, None)
        if piece is None:
            raise FetchError("the answer broke off")
        self._data += piece


def batches(lacking: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for sha256 in lacking:
        if batch and (size + sizes[sha256] > BATCH_BYTES or len(batch) >= BATCH_BLOBS):
            yield batch
            batch, size = [], 0
        batch.append(sha256)
        size += sizes[sha256]
    if batch:
        yield batch


def wait(run: PlacementRun, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if run.stopping is not None:
            raise StoppedError
        time.sleep(min(LOOK_SECONDS, left))
