"""Which checkpoint to go on from: the newest that is whole, and that did not end the attempt which began from it."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from trainyard import resumes

MARK = ".trainyard-whole"
"""The name of an empty file in a folder: what is beside it was written to the end."""
DRAFTS = (".draft", ".tmp", ".temp", ".part", ".partial")
MOST_OF_TABLE = 100 * 2**20
CONSIDERED = 3
"""So many of the newest are tried in turn: what fails with each of them is no checkpoint's fault."""


def latest_checkpoint(pattern: str = "*") -> str | None:
    """The newest whole file or folder in TRAINYARD_CHECKPOINT_DIR whose name matches, None if there is none.

    One from which an earlier attempt began and got no step further comes after the ones before it.
    """
    folder = os.environ.get("TRAINYARD_CHECKPOINT_DIR")
    if not folder:
        return None
    found = [path for path in Path(folder).glob(pattern) if not _is_draft(path) and _written_at(path)]
    whole = [path for path in _in_doubt_left_out(found) if is_whole(path)]
    newest = sorted(whole, key=lambda path: (path.stat().st_size > 0, _written_at(path)), reverse=True)
    chosen = min(newest[:CONSIDERED], key=resumes.failures, default=None)
    if chosen is None:
        return None
    resumes.began(chosen)
    return str(chosen)


def mark(path: str | os.PathLike[str]) -> None:
    """Every file of this checkpoint has been written. What is a single file says so by itself."""
    resumes.forget(Path(path))
    if Path(path).is_dir():
        (Path(path) / MARK).touch()


def is_whole(path: Path) -> bool:
    """Whether nothing shows that its writing was cut off."""
    if not path.is_dir():
        return not _is_cut_off(path)
    if (path / MARK).exists():
        return True
    return any(path.iterdir()) and not any(_is_cut_off(file) for file in path.rglob("*") if file.is_file())


def _in_doubt_left_out(found: list[Path]) -> list[Path]:
    """Where folders are marked as whole, one that is not was left in the middle."""
    if not any((path / MARK).exists() for path in found):
        return found
    return [path for path in found if not path.is_dir() or (path / MARK).exists()]


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith(DRAFTS)


def _written_at(path: Path) -> float:
    """0 for one that is gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_cut_off(path: Path) -> bool:
    """Of a kind that tells its own length, and shorter: what torch, Keras and safetensors write."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start.startswith(b"PK\x03\x04"):
                return not zipfile.is_zipfile(path)
            return path.suffix == ".safetensors" and path.stat().st_size < _length(start, file)
    except (OSError, ValueError, struct.error):
        return True


def _length(start: bytes, file: BinaryIO) -> int:
    """How long a file of safetensors is: it begins with the length of a table that says where each tensor ends."""
    (size,) = struct.unpack("<Q", start)
    if size > MOST_OF_TABLE:
        return 0
    tensors = json.loads(file.read(size))
    ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
    return int(8 + size + max(ends, default=0))
