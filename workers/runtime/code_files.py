"""What a folder of code consists of, wherever it is spoken of."""

from typing import NamedTuple


class CodeFile(NamedTuple):
    """A file, by the hashes of its parts in order, or a link where `link` says to what. Paths have slashes, from the top."""

    path: str
    size: int = 0
    executable: bool = False
    parts: tuple[str, ...] = ()
    link: str = ""
