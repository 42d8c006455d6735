"""Where the repository of a folder stands: its commit, its branch, and what of the folder is not committed."""

import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

SECONDS = 10
FILES_AT_ONCE = 500
COMMAND = ("git", "--no-optional-locks", "-c", "core.quotepath=false", "-C")
ORDINARY, RENAMED, UNMERGED, UNTRACKED = "1", "2", "u", "?"
FIELDS_BEFORE_PATH = {ORDINARY: 8, RENAMED: 9, UNMERGED: 10, UNTRACKED: 1}


def origin(folder: Path, paths: Collection[str], *, diff_bytes: int) -> dict[str, Any]:
    """As POST /snapshots takes it; empty where there is no repository or no git. `paths` are those that come along."""
    prefix = _git(folder, "rev-parse", "--show-prefix")
    said = None if prefix is None else _git(folder, "status", "--porcelain=v2", "--branch", "-z", "--", ".")
    if prefix is None or said is None:
        return {}
    entries = said.decode(errors="surrogateescape").split("\0")
    commit = _header(entries, "branch.oid")
    branch = _header(entries, "branch.head")
    here = prefix.decode(errors="surrogateescape").rstrip("\n")
    coming = set(paths)
    changed = [(kind, path.removeprefix(here)) for kind, path in _changes(entries)]
    ours = [(kind, path) for kind, path in changed if path in coming or not (folder / path).exists()]
    found: dict[str, Any] = {"branch": "" if branch == "(detached)" else branch[:255], "dirty": bool(ours)}
    if commit != "(initial)":
        found["commit"] = commit
        tracked = [path for kind, path in ours if kind != UNTRACKED]
        found["diff"] = _diff(folder, tracked, diff_bytes) if tracked else ""
    return found


def _header(entries: list[str], name: str) -> str:
    start = f"# {name} "
    return next((entry.removeprefix(start) for entry in entries if entry.startswith(start)), "")


def _changes(entries: list[str]) -> Iterator[tuple[str, str]]:
    """The kind of each change, and its path from the top of the repository."""
    rest = iter(entries)
    for entry in rest:
        kind = entry[:1]
        if kind in FIELDS_BEFORE_PATH:
            yield kind, entry.split(" ", FIELDS_BEFORE_PATH[kind])[-1]
        if kind == RENAMED:
            next(rest, None)  # what it was called before


def _diff(folder: Path, paths: Sequence[str], most: int) -> str:
    """Of these files alone: what is left out of the snapshot stays out of this, too."""
    options = (
        "--literal-pathspecs",
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--relative",
        "HEAD",
        "--",
    )
    said = b""
    for start in range(0, len(paths), FILES_AT_ONCE):
        said += _git(folder, *options, *paths[start : start + FILES_AT_ONCE]) or b""
        if len(said) >= most:
            break
    text = said[:most].decode(errors="replace").replace("\0", "\ufffd")
    return text.encode()[:most].decode(errors="ignore")  # what was replaced has become longer


def _git(folder: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run([*COMMAND, str(folder), *words], capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
