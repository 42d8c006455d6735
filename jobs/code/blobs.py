"""What files hold, on its way into the storage and out of it: many blobs one behind the other, named by a first line.

The first line is JSON, a list of `[hash, size]`; then come the contents in that order. So two thousand small files are few
requests and few objects. A body becomes one object, a pack; what of it is known already takes its room until all else in the
pack is forgotten.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import IO, Any, NamedTuple
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import connection
from django.db.models import Sum

from jobs.code.manifest import HASH, PART_BYTES
from jobs.models import CodeBlob, CodePack, CodeSnapshot
from jobs.storage.objects import make_durable, read_range
from scheduling.errors import FieldError, InvalidError, NotFoundError, UnavailableError

PACK_BYTES = PART_BYTES
FIRST_LINE_BYTES = 1024 * 1024
READ_BYTES = 1024 * 1024
GIB = 2**30
CODE, OUTPUTS = "code", "outputs"
"""What packs hold, by what brought them."""
NOTE_BLOBS = """
    INSERT INTO jobs_codeblob (project_id, pack_id, sha256, size, "offset")
    SELECT %s, %s, said.* FROM unnest(
        string_to_array(%s, ','), string_to_array(%s, ',')::bigint[], string_to_array(%s, ',')::bigint[]
    ) AS said
    ON CONFLICT DO NOTHING
"""
"""Of two uploads of the same at once the first one counts. Rows made one by one take longer than all else of an upload of small files."""
Index = list[tuple[str, int]]


class Stretch(NamedTuple):
    """A part of an object that holds one blob, or several that lie beside each other and are wanted in this order."""

    name: str
    start: int
    size: int


def storage() -> Storage:
    """Where code goes, by the setting STORAGES["code"]."""
    return storages["code"]


def store(snapshot: CodeSnapshot, wanted: Mapping[str, int], body: IO[bytes]) -> int:
    """Take in blobs of this snapshot, all of a body or none; returns how many. `wanted` are all that it consists of.

    Raises InvalidError for what is not whole, not asked for, or not what its hash says; UnavailableError where the storage fails.
    """
    index, contents = _read(body, wanted)
    _refuse_full_project(snapshot, len(contents))
    return _keep(snapshot.project_id, index, contents, CODE)


def store_outputs(project_id: int, body: IO[bytes]) -> int:
    """The same of what an attempt has left, which nobody has listed yet."""
    index, contents = _read(body, None)
    return _keep(project_id, index, contents, OUTPUTS)


def _read(body: IO[bytes], wanted: Mapping[str, int] | None) -> tuple[Index, bytes]:
    # Apart from its first line in one piece, of bounded size: the server has all of it in memory, and each piece of it, or
    # the whole without its first line, would be a copy.
    index = _index(body.readline(FIRST_LINE_BYTES), wanted)
    contents = body.read(PACK_BYTES + 1)
    _refuse_others(memoryview(contents), index)
    return index, contents


def _keep(project_id: int, index: Index, contents: bytes, holds: str) -> int:
    pack = CodePack.objects.create(
        project_id=project_id, name=f"{project_id}/{uuid4().hex}.pack", size=len(contents), holds=holds
    )
    _save(pack, contents)
    hashes, sizes = zip(*index, strict=True)
    lists = (",".join(map(str, each)) for each in (hashes, sizes, accumulate(sizes[:-1], initial=0)))
    with connection.cursor() as cursor:
        cursor.execute(NOTE_BLOBS, [project_id, pack.pk, *lists])
    return len(index)


def _index(line: bytes, wanted: Mapping[str, int] | None) -> Index:
    """What the first line names."""
    try:
        rows: Any = json.loads(line) if line.endswith(b"\n") else None
        index = [(str(sha256), int(size)) for sha256, size in rows]
    except (TypeError, ValueError, RecursionError):
        words = 'The first line must be JSON, [["SHA-256", size], ...]; the contents follow in this order.'
        raise InvalidError([FieldError("body", words)]) from None
    if not index or len({sha256 for sha256, _ in index}) < len(index):
        raise InvalidError([FieldError("body", "Its first line must name blobs, each once.")])
    for sha256, size in index:
        if not HASH.fullmatch(sha256) or size <= 0 or (wanted is not None and wanted.get(sha256) != size):
            raise InvalidError([FieldError("body", f"{sha256[:64]!r} of {size} bytes is no part of this snapshot.")])
    if sum(size for _, size in index) > PACK_BYTES:
        raise InvalidError([FieldError("body", f"May hold at most {PACK_BYTES} bytes of blobs.", "too_large")])
    return index


def _refuse_full_project(snapshot: CodeSnapshot, more: int) -> None:
    limit = settings.CODE_PROJECT_GB
    if limit:
        rows = CodePack.objects.filter(project=snapshot.project_id, holds=CODE).aggregate(all=Sum("size"))
        if (rows["all"] or 0) + more > limit * GIB:
            words = f"The code of project {snapshot.project} takes the {limit:g} GB that it may. What no job needs is forgotten in time."
            raise InvalidError([FieldError("project", words, "quota")])


def _refuse_others(contents: memoryview, index: Index) -> None:
    size = sum(one for _, one in index)
    if len(contents) != size:
        words = (
            "It is shorter than its first line says."
            if len(contents) < size
            else "There is more of it than its first line says."
        )
        raise InvalidError([FieldError("body", words)])
    offset = 0
    for sha256, length in index:
        if hashlib.sha256(contents[offset : offset + length]).hexdigest() != sha256:
            words = f"What came as {sha256} has another hash: it changed, or broke on its way."
            raise InvalidError([FieldError("body", words, "hash")])
        offset += length


def _save(pack: CodePack, contents: bytes) -> None:
    """The row is there first: whatever dies in between, nothing lies in the storage that nobody knows of."""
    content = ContentFile(contents, pack.name)
    content.DEFAULT_CHUNK_SIZE = PACK_BYTES  # it is in memory already: written at once, not 64 KiB at a time
    try:
        # A storage that takes it by another name says so: that is where it lies.
        if (name := storage().save(pack.name, content)) != pack.name:
            pack.name = name
            pack.save(update_fields=["name"])
        make_durable(storage(), pack.name)
    except OSError as error:
        raise UnavailableError("The storage of code does not take anything at the moment. Try again soon.") from error


def locate(project_id: int, wanted: Collection[str]) -> list[CodeBlob]:
    """These blobs, as they lie in the storage one behind the other. Raises NotFoundError if one is missing."""
    rows = CodeBlob.objects.filter(project=project_id, sha256__in=wanted).select_related("pack")
    found = list(rows.order_by("pack", "offset"))
    if len(found) < len(set(wanted)):
        raise NotFoundError("Some of these blobs are not here.")
    return found


def stream(found: Sequence[CodeBlob]) -> Iterator[bytes]:
    """The blobs as `store` takes them. Raises OSError where the storage fails: what has come until then is whole."""
    index = [[blob.sha256, blob.size] for blob in found]
    yield json.dumps(index, separators=(",", ":")).encode() + b"\n"
    for stretch in _stretches(found):
        yield from _pieces(stretch)


def content(found: Sequence[CodeBlob], start: int, size: int) -> Iterator[bytes]:
    """So many bytes of what these blobs hold one after the other. Raises OSError where the storage fails."""
    for blob in found:
        if size <= 0:
            return
        if start < blob.size:
            taken = min(blob.size - start, size)
            yield from _pieces(Stretch(blob.pack.name, blob.offset + start, taken))
            size -= taken
        start = max(0, start - blob.size)


def _pieces(stretch: Stretch) -> Iterator[bytes]:
    for start in range(stretch.start, stretch.start + stretch.size, READ_BYTES):
        size = min(READ_BYTES, stretch.start + stretch.size - start)
        yield read_range(storage(), stretch.name, start, size)


def _stretches(found: Sequence[CodeBlob]) -> Iterator[Stretch]:
    """In as few readings as can be."""
    now: Stretch | None = None
    for blob in found:
        name: Any = blob.pack.name
        if now is not None and now.name == name and now.start + now.size == blob.offset:
            now = now._replace(size=now.size + blob.size)
            continue
        if now is not None:
            yield now
        now = Stretch(name, blob.offset, blob.size)
    if now is not None:
        yield now
