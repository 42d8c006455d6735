"""A log as one object in the storage: gzip members that each hold a block of it, so that any place is read by itself.

`zcat` gives the whole of it. See docs/decisions/0015-logs-in-a-storage.md.
"""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from django.core.files import File
from django.core.files.storage import Storage, storages

from jobs.models.logs import StoredLog
from jobs.storage.objects import make_durable, read_range
from scheduling.errors import UnavailableError

log = logging.getLogger(__name__)
BLOCK_BYTES = 1024 * 1024
READ_BYTES = 1024 * 1024
LEVEL = 6
DAMAGED = (FileNotFoundError, EOFError, zlib.error, gzip.BadGzipFile)
"""What reading raises when the object is not what was written; anything else may be different the next time."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: the size of the log, that of the object with its checksum, and where its blocks begin."""

    size: int
    stored_size: int
    sha256: str
    blocks: list[int]


def storage() -> Storage:
    """Where logs go, by the setting STORAGES["logs"]."""
    return storages["logs"]


def pack(data: Iterable[bytes], file: IO[bytes]) -> Packed:
    """Write the log that `data` makes up, and say what was written."""
    size, blocks, digest = 0, [], hashlib.sha256()
    for block in _blocks(data):
        blocks.append(file.tell())
        member = gzip.compress(block, LEVEL, mtime=0)
        file.write(member)
        digest.update(member)
        size += len(block)
    return Packed(size, file.tell(), digest.hexdigest(), blocks)


def save(name: str, file: IO[bytes], packed: Packed) -> None:
    """Put the object there and read it again: raises OSError when it is not what was sent."""
    file.seek(0)
    given = storage().save(name, File(file, name))
    if given != name:
        storage().delete(given)
        raise OSError(f"the storage took {name} by another name, {given}")
    make_durable(storage(), name)
    if storage().size(name) != packed.stored_size or _checksum(name, packed.stored_size) != packed.sha256:
        raise OSError(f"the storage does not give back what was written as {name}")


def read(stored: StoredLog, offset: int, limit: int) -> bytes:
    """Up to `limit` bytes of the log from `offset` on; reads only the blocks in which they are.

    Raises one of DAMAGED when the object is gone or spoilt, UnavailableError when the storage does not answer.
    """
    first = offset // BLOCK_BYTES
    last = min((offset + limit - 1) // BLOCK_BYTES, len(stored.blocks) - 1)
    starts = [*stored.blocks, stored.stored_size]
    try:
        raw = read_range(storage(), stored.name, starts[first], starts[last + 1] - starts[first])
    except FileNotFoundError:
        raise
    except OSError as error:
        log.warning("The storage of logs does not answer: %s", error)
        raise UnavailableError("The storage of logs does not answer at the moment. Ask again soon.") from error
    data = gzip.decompress(raw)
    if len(data) != min((last + 1) * BLOCK_BYTES, stored.size) - first * BLOCK_BYTES:
        raise EOFError(f"{stored.name} is shorter than it was")
    skipped = offset - first * BLOCK_BYTES
    return data[skipped : skipped + limit]


def _blocks(data: Iterable[bytes]) -> Iterator[bytes]:
    left = bytearray()
    for piece in data:
        left += piece
        while len(left) >= BLOCK_BYTES:
            yield bytes(left[:BLOCK_BYTES])
            del left[:BLOCK_BYTES]
    if left:
        yield bytes(left)


def _checksum(name: str, size: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, size, READ_BYTES):
        digest.update(read_range(storage(), name, start, min(READ_BYTES, size - start)))
    return digest.hexdigest()
