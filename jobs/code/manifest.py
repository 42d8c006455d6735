"""The files of a folder, as they are sent: judged here, before anything is stored of them.

A file is named by the hashes (SHA-256) of its parts, of `PART_BYTES` each but the last: so a large one is uploaded, and goes
on after an interruption, part by part. Folders have no entries: who has no file in it has none. Pure.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from scheduling.errors import FieldError, InvalidError
from workers.runtime.code_files import CodeFile
from workers.runtime.left_files import leads_out

PART_BYTES = 8 * 1024 * 1024
LONGEST_PATH, LONGEST_NAME = 4096, 255
MOST_FAULTS = 20
HASH = re.compile(r"[0-9a-f]{64}")
KNOWN = {"path", "size", "executable", "parts", "link"}
MIB = 2**20


def read(data: Any, *, most_files: int, most_mb: float) -> list[CodeFile]:
    """The files that `data` lists, by path; raises InvalidError with what is wrong with the first few of them."""
    if not isinstance(data, list):
        raise InvalidError([FieldError("files", "Must be a list of files, each an object with its path.")])
    if len(data) > most_files:
        words = f"A snapshot may have at most {most_files} files here; these are {len(data)}. Leave some out: .trainyardignore."
        raise InvalidError([FieldError("files", words, "too_many")])
    files: list[CodeFile] = []
    faults: list[FieldError] = []
    for index, entry in enumerate(data):
        try:
            files.append(_file(entry))
        except FileFaultError as error:
            field, words = error.args
            faults.append(FieldError(f"files[{index}]{field}", words))
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise InvalidError(faults)
    size = sum(file.size for file in files)
    if size > most_mb * MIB:
        words = f"A snapshot may hold at most {most_mb:g} MB here; these are {size / MIB:.1f} MB. Leave some out: .trainyardignore."
        raise InvalidError([FieldError("files", words, "too_large")])
    files.sort()
    _refuse_collisions(files)
    return files


class FileFaultError(Exception):
    """What is wrong with one of the files: in which of its fields, and in words."""


def _file(entry: Any) -> CodeFile:
    if not isinstance(entry, dict):
        raise FileFaultError("", "Must be an object with a path.")
    if unknown := entry.keys() - KNOWN:
        raise FileFaultError(
            "", f"There is no field {min(map(str, unknown))[:64]}. There are: {', '.join(sorted(KNOWN))}."
        )
    path: Any = entry.get("path")
    if fault := path_fault(path):
        raise FileFaultError(".path", fault)
    if "link" in entry:
        return _link(path, entry)
    return _content(path, entry.get("size"), entry.get("executable", False), entry.get("parts"))


def _content(path: str, size: Any, executable: Any, parts: Any) -> CodeFile:
    if type(size) is not int or size < 0:
        raise FileFaultError(".size", "Must be the file's size in bytes.")
    if type(executable) is not bool:
        raise FileFaultError(".executable", "Must be true or false.")
    if not isinstance(parts, list) or len(parts) != -(-size // PART_BYTES):
        words = f"Must have a hash for each {PART_BYTES // MIB} MB of the file, none for an empty one."
        raise FileFaultError(".parts", words)
    if not all(isinstance(part, str) and HASH.fullmatch(part) for part in parts):
        raise FileFaultError(".parts", "Each must be a SHA-256 in 64 small hexadecimal digits.")
    return CodeFile(path, size, executable, tuple(parts))


def path_fault(path: Any) -> str:
    """What is wrong with it as the name of a file below the folder; empty if nothing is."""
    if not isinstance(path, str) or not path or "\0" in path:
        return "Must be a path below the folder, such as src/train.py."
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "Is not UTF-8: rename the file."
    names = path.split("/")
    if not (".." in names or "." in names or "" in names):
        short = len(encoded) <= LONGEST_NAME  # as most are: no name in it is longer
        if short or (len(encoded) <= LONGEST_PATH and all(len(name.encode()) <= LONGEST_NAME for name in names)):
            return ""
        return f"May have at most {LONGEST_PATH} bytes, and each name in it {LONGEST_NAME}."
    return "Must be a path below the folder: not from the root, no . or .. in it, no slash at its end."


def _link(path: str, entry: dict[str, Any]) -> CodeFile:
    target = entry["link"]
    if entry.keys() - {"path", "link"}:
        raise FileFaultError("", "A link has a path and a link, and nothing else.")
    if not isinstance(target, str) or not target or "\0" in target or len(target) > LONGEST_PATH:
        raise FileFaultError(".link", "Must say to what it points.")
    try:
        target.encode()
    except UnicodeEncodeError:
        raise FileFaultError(".link", "Is not UTF-8: rename what it points to.") from None
    if leads_out(path, target):
        raise FileFaultError(".link", "Leads out of the folder: only what is inside of it comes along.")
    return CodeFile(path, link=target)


def _refuse_collisions(files: Sequence[CodeFile]) -> None:
    """Of two files with one name nobody could say which one is meant; and no file is a folder, too."""
    paths = {file.path for file in files}
    if len(paths) < len(files):
        twice = next(one.path for one, two in pairwise(files) if one.path == two.path)
        raise InvalidError([FieldError("files", f"{twice!r} is there twice.", "twice")])
    folders = {folder for path in paths for folder in _above(path)}
    if both := folders & paths:
        raise InvalidError([FieldError("files", f"{min(both)!r} is a file and has files below it.", "twice")])


def _above(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def pack(written: bytes) -> bytes:
    """What `written` answers, in few bytes."""
    return zlib.compress(written, 1)


def unpack(data: bytes) -> list[CodeFile]:
    """The inverse of `pack`."""
    return from_data(json.loads(zlib.decompress(data)))


def from_data(rows: Sequence[Sequence[Any]]) -> list[CodeFile]:
    """The files of rows as JSON has them, each in the order of a CodeFile's fields."""
    return [CodeFile(path, size, executable, tuple(parts), link) for path, size, executable, parts, link in rows]


def written(files: Sequence[CodeFile]) -> bytes:
    """In the one way in which the same files are always written."""
    return json.dumps(files, separators=(",", ":")).encode()


def tree_digest(written: bytes) -> str:
    """Names the files of what `written` answers: the same, with the same bits and links, have the same."""
    return hashlib.sha256(written).hexdigest()


def origin_digest(origin: Sequence[Any]) -> str:
    """Names where they come from."""
    return hashlib.sha256(json.dumps(origin).encode()).hexdigest()


def joined(tree: str, origin: str) -> str:
    """Names a snapshot, by the digests of its files and of its origin."""
    return hashlib.sha256(f"{tree} {origin}".encode()).hexdigest()


def blobs(files: Sequence[CodeFile]) -> dict[str, int]:
    """By hash, how large each blob is that these files consist of. Raises InvalidError where one hash has two sizes."""
    found: dict[str, int] = {}
    for file in files:
        for index, part in enumerate(file.parts):
            size = min(PART_BYTES, file.size - index * PART_BYTES)
            if found.setdefault(part, size) != size:
                words = f"{file.path!r}: another file has the same hash and another size."
                raise InvalidError([FieldError("files", words)])
    return found
