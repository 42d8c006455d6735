"""Reading parts of objects, and having what was written on the disk itself."""

import os
from pathlib import Path
from typing import Protocol

from django.core.files.storage import Storage


class Ranged(Protocol):
    """A storage that can read a part of an object without the rest."""

    def read_range(self, name: str, start: int, size: int) -> bytes: ...


def read_range(storage: Storage, name: str, start: int, size: int) -> bytes:
    """Part of an object. Of a storage that cannot do that by itself, by way of its files."""
    if hasattr(storage, "read_range"):
        ranged: Ranged = storage
        return ranged.read_range(name, start, size)
    with storage.open(name) as file:
        file.seek(start)
        return bytes(file.read(size))


def make_durable(storage: Storage, name: str) -> None:
    """Of a file system: on the disk itself, before anybody relies on it."""
    try:
        path = Path(storage.path(name))
    except NotImplementedError:
        return
    for each in (path, path.parent, path.parent.parent):
        fd = os.open(each, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
