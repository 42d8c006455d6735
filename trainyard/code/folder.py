"""A folder as it is: its files and links, without what is left out. Whatever could not come along as it is is refused by name."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trainyard.code.ignoring import NEVER, VIRTUAL_ENVIRONMENT, Rules, left_out, rules_above, rules_of
from trainyard.errors import UsageError

MOST_NAMED = 5
MOST_FAULTS = 10
MB = 2**20
ADVICE = "Leave it out: .trainyardignore takes the patterns of .gitignore."


class Found(NamedTuple):
    """A file, or a link where `link` says to what; the path from the top, with slashes."""

    path: str
    file: str
    status: os.stat_result
    link: str = ""

    @property
    def size(self) -> int:
        return 0 if self.link else self.status.st_size


class Faults:
    """What cannot come along, up to the first few."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def add(self, path: str, words: str) -> None:
        self._words.append(f"{path!r} {words}")
        if len(self._words) >= MOST_FAULTS:
            self.refuse()

    def refuse(self) -> None:
        if self._words:
            raise UsageError(*(f"--sync: {words}" for words in self._words))


def read_folder(top: Path, *, most_files: int, most_mb: float) -> list[Found]:
    """Its files and links; raises UsageError for what cannot come along, and for a folder that is too large."""
    if not top.is_dir():
        raise UsageError(f"--sync: {top} is no folder. To send the current one: --sync . -- COMMAND...")
    faults = Faults()
    found: list[Found] = []
    counts: Counter[str] = Counter()
    for one in _walk(top, faults):
        found.append(one)
        counts[_first_of(one.path)] += 1
        if len(found) > most_files:
            named = ", ".join(f"{name} ({count} files so far)" for name, count in counts.most_common(MOST_NAMED))
            raise UsageError(f"--sync: {top} has more than {most_files} files: {named}. {ADVICE}")
    faults.refuse()
    size = sum(one.size for one in found)
    if size > most_mb * MB:
        raise UsageError(
            f"--sync: {top} has {size / MB:.0f} MB; at most {most_mb:g} MB may come along.", *_largest(found)
        )
    return found


def _largest(found: list[Found]) -> Iterator[str]:
    sizes: Counter[str] = Counter()
    for one in found:
        sizes[one.path] += one.size
        for parent in Path(one.path).parents[:-1]:
            sizes[f"{parent.as_posix()}/"] += one.size
    for name, size in sizes.most_common(MOST_NAMED):
        yield f"{size / MB:8.1f} MB {name}"
    yield ADVICE


def _first_of(path: str) -> str:
    first, slash, _ = path.partition("/")
    return first + slash


def _walk(top: Path, faults: Faults) -> Iterator[Found]:
    real = os.path.realpath(top)
    todo: list[tuple[str, list[Rules]]] = [("", rules_above(Path(real)))]
    while todo:
        prefix, rules = todo.pop()
        rules = [*rules, *rules_of(Path(f"{real}/{prefix}"), prefix)]
        for entry, path in _coming(real, prefix, rules, faults):
            if entry.is_dir(follow_symlinks=False):
                todo.append((f"{path}/", rules))
            elif (one := _file(entry, path, real, faults)) is not None:
                yield one


def _coming(top: str, prefix: str, rules: list[Rules], faults: Faults) -> Iterator[tuple[os.DirEntry[str], str]]:
    """What of one folder is not left out, with its path from the top."""
    try:
        entries = sorted(os.scandir(f"{top}/{prefix}"), key=lambda entry: entry.name)
    except OSError as error:
        faults.add(prefix, f"cannot be read: {error.strerror}. {ADVICE}")
        return
    if prefix and any(entry.name == VIRTUAL_ENVIRONMENT for entry in entries):
        return
    for entry in entries:
        path = prefix + entry.name
        out = entry.name in NEVER or left_out(rules, path, folder=entry.is_dir(follow_symlinks=False))
        if not out and _has_a_name(path, faults):
            yield entry, path


def _has_a_name(path: str, faults: Faults) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        faults.add(
            path, f"has a name that is not UTF-8. Rename it, or leave it out by a pattern that it matches. {ADVICE}"
        )
        return False
    return True


def _file(entry: os.DirEntry[str], path: str, top: str, faults: Faults) -> Found | None:
    try:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return _link(entry, path, top, status, faults)
    except OSError as error:
        faults.add(path, f"cannot be read: {error.strerror}. {ADVICE}")
        return None
    if not stat.S_ISREG(status.st_mode):
        faults.add(path, f"is neither a file, a folder nor a link. {ADVICE}")
        return None
    return Found(path, entry.path, status)


def _link(entry: os.DirEntry[str], path: str, top: str, status: os.stat_result, faults: Faults) -> Found | None:
    target = os.readlink(entry.path)  # noqa: PTH115  as it is written there
    reached = os.path.realpath(entry.path)
    if reached != top and not reached.startswith(f"{top}/"):
        faults.add(
            path, f"is a link that leads out of the folder, to {target}. Copy what it points to, or leave it out."
        )
        return None
    if target.startswith("/"):  # elsewhere the folder has another place
        target = os.path.relpath(reached, Path(entry.path).parent)
    return Found(path, entry.path, status, target) if _has_a_name(target, faults) else None
