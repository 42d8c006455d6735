"""The files that an agent lists of what an attempt left, as it sends them: judged before anything is written. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from jobs.code.manifest import HASH, LONGEST_PATH, PART_BYTES, path_fault
from scheduling.errors import FieldError, InvalidError
from workers.runtime.left_files import leads_out

KINDS = ("output", "checkpoint")
FIELDS = {"kind", "path", "size", "modified_ns", "executable", "sha256", "parts", "link", "left_out"}
LARGEST = 2**62


class Listed(NamedTuple):
    """One of them: with its hashes, or a link, or with why it was left out."""

    kind: str
    path: str
    size: int = 0
    modified_ns: int = 0
    executable: bool = False
    sha256: str = ""
    parts: tuple[str, ...] = ()
    link: str = ""
    left_out: str = ""

    @property
    def lengths(self) -> list[tuple[str, int]]:
        """Each part's hash, and how long that part is."""
        return [(part, min(PART_BYTES, self.size - at * PART_BYTES)) for at, part in enumerate(self.parts)]


def read(data: Any) -> list[Listed]:
    """Raises InvalidError for the first that is not as it should be."""
    if not isinstance(data, list):
        raise InvalidError([FieldError("files", "Must be a list of files.")])
    return [_file(entry, at) for at, entry in enumerate(data)]


def _file(entry: Any, at: int) -> Listed:
    if not isinstance(entry, dict) or entry.keys() - FIELDS:
        raise InvalidError([FieldError(f"files[{at}]", f"Must be an object of {', '.join(sorted(FIELDS))}.")])
    parts = entry.get("parts", [])
    try:
        file = Listed(**{**entry, "parts": tuple(parts) if isinstance(parts, list) else parts})
    except TypeError:
        raise InvalidError([FieldError(f"files[{at}]", "Needs a kind and a path.")]) from None
    for field, fault in _faults(file):
        raise InvalidError([FieldError(f"files[{at}].{field}", fault)])
    return file


def _faults(file: Listed) -> Iterator[tuple[str, str]]:
    """What is wrong in which field; what comes first counts, so the later ones know of what kind the earlier are."""
    if file.kind not in KINDS:
        yield "kind", f"Must be one of {', '.join(KINDS)}."
    yield from _type_faults(file)
    if file.left_out:
        if not _is_text(file.path) or not 0 < len(file.path) <= 4 * LONGEST_PATH:
            yield "path", "Must be a name, as well as it can be written."
    elif fault := path_fault(file.path):
        yield "path", fault
    elif file.link:
        if leads_out(file.path, file.link):
            yield "link", "Leads out of the folder."
    else:
        yield from _content_faults(file)


def _type_faults(file: Listed) -> Iterator[tuple[str, str]]:
    for field, least in (("size", 0), ("modified_ns", -LARGEST)):
        number = getattr(file, field)
        if type(number) is not int or not least <= number < LARGEST:
            yield field, "Must be a whole number."
    for field in ("link", "left_out", "sha256"):
        if not _is_text(getattr(file, field)):
            yield field, "Must be text."
    if type(file.executable) is not bool:
        yield "executable", "Must be true or false."


def _is_text(value: Any) -> bool:
    """That a database takes, too."""
    try:
        return isinstance(value, str) and "\0" not in value and bool(value.encode() or not value)
    except UnicodeEncodeError:
        return False


def _content_faults(file: Listed) -> Iterator[tuple[str, str]]:
    if not HASH.fullmatch(file.sha256):
        yield "sha256", "Must be a SHA-256 in 64 small hexadecimal digits."
    hashes = isinstance(file.parts, tuple) and all(isinstance(one, str) and HASH.fullmatch(one) for one in file.parts)
    if not hashes or len(file.parts) != -(-file.size // PART_BYTES):
        yield "parts", f"Must have the SHA-256 of each {PART_BYTES} bytes of the file."
