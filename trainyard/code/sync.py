"""A folder on its way to the server: said, and uploaded as far as it is not there yet."""

import hashlib
import importlib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trainyard.code import git
from trainyard.code.folder import Found, read_folder
from trainyard.code.hashing import Hashes
from trainyard.errors import TrainyardError
from trainyard.http.requests import Row, Server

TRIES = 3
MOST_BLOBS = 10_000
"""Of one body: the line that names them may have 1 MiB."""
AT_ONCE = 3
"""Requests under way: while one is written to the disk there, the next one travels."""
EXECUTABLE = 0o100
Advance = Callable[[int], None]
NOTHING: Mapping[str, bytes] = MappingProxyType({})


class ChangedError(Exception):
    """A file is not what was said of it any more."""


def sync(
    server: Server,
    folder: Path | None,
    *,
    project: str,
    environ: Mapping[str, str],
    beside: Mapping[str, bytes] = NOTHING,
) -> Row:
    """The snapshot of this folder, complete, and of files `beside` it. Raises `UsageError` for what cannot come along.

    A folder that changes meanwhile is read again; what was uploaded before an interruption is not uploaded twice.
    """
    limits = server.get("snapshots/limits")
    path = ""
    for _ in range(TRIES):
        hashes = Hashes(_cache_of(folder, environ) if folder else None, limits["part_bytes"])
        body: Row = {"project": project, "files": [_held(path, content, hashes) for path, content in beside.items()]}
        if folder is not None:
            body |= _described(folder, hashes, limits, body["files"])
        snapshot: Row = server.post("snapshots", body)
        if snapshot["complete"]:
            return snapshot
        try:
            return _upload(server, snapshot, hashes, limits["part_bytes"])
        except ChangedError as changed:
            path = str(changed)
    raise TrainyardError(f"--sync: {path!r} changes all the time: nobody could say what came along. Leave it out.")


def _described(folder: Path, hashes: Hashes, limits: Row, files: list[Row]) -> Row:
    """The files of the folder, behind those that come along anyway, and where its repository stands."""
    found = read_folder(folder, most_files=limits["files"], most_mb=limits["mb"])
    described: Row = {"files": [*files, *(_entry(one, hashes) for one in found)]}
    hashes.save()
    if origin := git.origin(folder, {one.path for one in found}, diff_bytes=limits["diff_bytes"]):
        described["git"] = origin
    return described


def _held(path: str, content: bytes, hashes: Hashes) -> Row:
    return {"path": path, "size": len(content), "parts": hashes.hold(content)}


def _cache_of(folder: Path, environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    name = hashlib.sha256(bytes(folder.resolve())).hexdigest()[:32]
    return Path(base) / "trainyard" / "folders" / f"{name}.json"


def _entry(one: Found, hashes: Hashes) -> Row:
    if one.link:
        return {"path": one.path, "link": one.link}
    parts, status = hashes.parts(one)
    entry: Row = {"path": one.path, "size": status.st_size, "parts": parts}
    return entry | {"executable": True} if status.st_mode & EXECUTABLE else entry


def _upload(server: Server, snapshot: Row, hashes: Hashes, most_bytes: int) -> Row:
    """Raises ChangedError with the path of a file that has changed since it was hashed."""
    sizes = {sha256: hashes.size(sha256) for sha256 in snapshot["missing"]}
    total = sum(sizes.values())
    path = f"snapshots/{snapshot['id']}/blobs"
    with _progress(total) as advance, ThreadPoolExecutor(AT_ONCE) as senders:
        under_way: deque[Future[Any]] = deque()
        try:
            for pack in _packs(sizes, most_bytes):
                body = _body(pack, hashes)
                if len(under_way) == AT_ONCE:  # no more of it in memory
                    under_way.popleft().result()
                under_way.append(senders.submit(server.put, path, body))
                advance(sum(map(sizes.__getitem__, pack)))
            while under_way:
                under_way.popleft().result()
        finally:
            for one in under_way:
                one.cancel()
    completed: Row = server.post(f"snapshots/{snapshot['id']}/complete")
    return completed | {"uploaded": total}


def _body(pack: list[str], hashes: Hashes) -> bytes:
    """Raises ChangedError."""
    contents = []
    for sha256 in pack:
        content = hashes.content(sha256)
        if content is None:
            raise ChangedError(hashes.forget(sha256))
        contents.append(content)
    index = [[sha256, len(content)] for sha256, content in zip(pack, contents, strict=True)]
    return b"".join([json.dumps(index).encode(), b"\n", *contents])


def _packs(sizes: Mapping[str, int], most_bytes: int) -> Iterator[list[str]]:
    pack: list[str] = []
    size = 0
    for sha256, more in sizes.items():
        if pack and (size + more > most_bytes or len(pack) == MOST_BLOBS):
            yield pack
            pack, size = [], 0
        pack.append(sha256)
        size += more
    if pack:
        yield pack


@contextmanager
def _progress(total: int) -> Iterator[Advance]:
    """A bar for a person who watches; where nobody does, nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    rich, console = (
        importlib.import_module("rich.progress"),
        importlib.import_module("rich.console"),
    )  # loaded for it alone
    columns = (rich.BarColumn(), rich.DownloadColumn(binary_units=True), rich.TransferSpeedColumn())
    with rich.Progress(
        "{task.description}", *columns, console=console.Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("uploading code", total=total)
        yield lambda size: progress.advance(task, size)
