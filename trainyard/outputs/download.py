"""Fetching what a job has left: each file checked against its hash, and what was interrupted goes on where it stopped."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trainyard.errors import OutOfReachError, TrainyardError
from trainyard.http.requests import Row, Server
from trainyard.outputs.below import READ_BYTES, Target, target

TRIES = 5
AGAIN_SECONDS = 1.0
PAGE = 5000
OUTPUT, CHECKPOINT = "output", "checkpoint"


def listed(server: Server, job_id: int, paths: Sequence[str], **which: int | str | None) -> Row:
    """What the server says of the outputs, with all files of these paths, or of all. Raises TrainyardError where one has none."""
    answer: Row = {}
    files: dict[tuple[str, str], Row] = {}
    for path in paths or [""]:
        prefix = path.strip("/") or None
        for answer in _pages(server, job_id, prefix=prefix, **which):
            files.update({(file["kind"], file["path"]): file for file in answer["files"]})
        if prefix and not _known(files, prefix):
            raise TrainyardError(
                f"job {job_id} has left nothing called {path!r}: `trainyard outputs {job_id}` lists what it has."
            )
    return {**answer, "files": list(files.values())}


def _pages(server: Server, job_id: int, **which: int | str | None) -> Iterator[Row]:
    after = None
    while True:
        answer = server.get(f"jobs/{job_id}/outputs", after=after, limit=PAGE, **which)
        yield answer
        after = answer["next"]
        if after is None:
            return


def _known(files: Iterable[tuple[str, str]], prefix: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for _, path in files)


def fetch(server: Server, files: Iterable[Row], folder: Path) -> Iterator[tuple[Row, bool]]:
    """Have each below the folder; says of each whether it came now, or was there already. Raises TrainyardError."""
    for file in files:
        with target(folder, file["path"], file["sha256"]) as place:
            try:
                yield file, _fetch(server, file, place)
            except OSError as error:
                raise TrainyardError(f"{file['path']!r} cannot be written: {error.strerror or error}.") from error


def _fetch(server: Server, file: Row, place: Target) -> bool:
    if _is_there(place, file):
        return False
    for left in reversed(range(TRIES)):
        try:
            whole = _go_on(server, file, place)
        except OutOfReachError:
            if not left:
                raise
            time.sleep(AGAIN_SECONDS)
            continue
        if whole:
            place.settle(executable=file["executable"])
            return True
        os.unlink(place.draft, dir_fd=place.folder)  # of no use to anybody: from its beginning again
    raise TrainyardError(f"{file['path']!r} does not arrive as its hash says: {file['sha256']}.")


def _is_there(place: Target, file: Row) -> bool:
    try:
        return place.sha256(place.name) == (file["sha256"], file["size"])
    except OSError:
        return False


def _go_on(server: Server, file: Row, place: Target) -> bool:
    """From where it stopped; whether all of it is there, and as it should be."""
    with place.opened(place.draft, os.O_RDWR | os.O_CREAT) as draft:
        digest, size = hashlib.sha256(), 0
        while data := os.read(draft, READ_BYTES):
            digest.update(data)
            size += len(data)
        if size < file["size"]:
            # The address as the server says it, below the one that we know: the host in it may be one that only it can see.
            path = file["url"].removeprefix("/api/v1/")
            with server.part(path, start=size, etag=f'"{file["sha256"]}"') as (answer, start):
                if start != size:  # it sends all of it
                    os.ftruncate(draft, 0)
                    os.lseek(draft, 0, os.SEEK_SET)
                    digest, size = hashlib.sha256(), 0
                for piece in answer:
                    _write(draft, piece)
                    digest.update(piece)
                    size += len(piece)
        if size < file["size"]:
            raise OutOfReachError(f"{file['path']!r} broke off after {size} of {file['size']} bytes.")
        return (digest.hexdigest(), size) == (file["sha256"], file["size"])


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
