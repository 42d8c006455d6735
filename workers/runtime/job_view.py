"""What of a node's file system a command sees where it has mounts of its own.

Its /tmp, /var/tmp and /dev/shm are its own. The platform's folder is empty but for what is the job's. A folder that is
closed to the job's user holds nothing but what it needs of the platform. Of /dev it may see a part. All the rest is as it is
on the node.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from workers.runtime.device_files import DEVICES
from workers.runtime.job_user import JobUser
from workers.runtime.shim.wall import AS_USER, SHARED_MEMORY

TEMPORARY = {"/tmp": "tmp", "/var/tmp": "var-tmp"}  # noqa: S108  whose private versions these are
NAMED = re.compile(r"/(?:var/)?tmp/[^\s\"'`:;,=()<>|&$*?]+")
EMPTY = "mode=755,size=1m"
Layers = list[tuple[str, str, str]]


def layers(
    *,
    user: JobUser | None,
    folder: Path | None,
    hidden: Path,
    seen: Iterable[Path],
    named: Iterable[str],
    cwd: str,
    memory: int,
    devices: Iterable[Path] | None = None,
) -> Layers:
    """(target, source, options) in order; see `shim.wall`. `folder` holds what lies in the job's /tmp; None: that is the node's, as its shared memory is.

    `devices` are those that it sees; None: all. `seen` is what the platform gives to the job; what is `named` stays visible where the user could go there by itself.
    """
    given = every_name(seen)
    own = {} if folder is None else {target: str(folder / name) for target, name in TEMPORARY.items()}
    covers = {target: source for target, source in own.items() if is_real(target) and cwd != target}
    if user is not None:
        covers[str(hidden)] = ""
        closed = [closed_above(Path(path), user) for path in given]
        covers |= {above: "" for above in closed if above and not is_below(above, covers)}
    if devices is not None:
        covers[DEVICES] = ""
        given += map(str, devices)
    found: Layers = [(target, source, "" if source else EMPTY) for target, source in covers.items()]
    found += [(path, path, "") for path in given if is_below(path, covers)]
    given_or_hidden = [*given, str(hidden)] if user is not None else given
    found += [
        (path, path, AS_USER)
        for path in existing(named)
        if is_below(path, covers) and not is_below(path, given_or_hidden) and not bars(path, user)
    ]
    if Path(SHARED_MEMORY).is_dir() and (folder is not None or devices is not None):
        empty = (SHARED_MEMORY, "", f"mode=1777,size={memory}" if memory else "mode=1777")
        found.append((SHARED_MEMORY, SHARED_MEMORY, "") if folder is None else empty)
    return in_order(found)


def in_order(found: Layers) -> Layers:
    """Parents before children; what is seen already, as a part of something that is shown, needs no layer."""
    kept: Layers = []
    for layer in sorted(set(found), key=lambda each: (each[0], each[0] == each[1])):
        above = next((one for one in reversed(kept) if is_below(layer[0], [one[0]])), None)
        if not (layer[0] == layer[1] and above is not None and above[0] == above[1] and not above[2]):
            kept.append(layer)
    return kept


def words_of(argv: Sequence[str], env: Mapping[str, str], cwd: str) -> list[str]:
    """What a command names in /tmp and /var/tmp by its words, its variables and its working folder."""
    found = [match for text in (*argv, *env.values()) for match in NAMED.findall(text)]
    return [*found, cwd] if cwd.startswith(tuple(f"{each}/" for each in TEMPORARY)) else found


def existing(names: Iterable[str]) -> list[str]:
    """Of each name what is there of it, up to the folder in which the rest would be made; nothing of /tmp itself."""
    found = []
    for name in names:
        path = os.path.normpath(name)
        while not os.path.lexists(path):
            path = str(Path(path).parent)
        if path not in TEMPORARY and is_below(path, TEMPORARY):
            found.append(path)
    return found


def is_real(folder: str) -> bool:
    return Path(folder).is_dir() and os.path.realpath(folder) == folder


def every_name(paths: Iterable[Path]) -> list[str]:
    """Those that exist, as they were written and as they are without symbolic links."""
    return [name for path in paths if path.exists() for name in {str(path), os.path.realpath(path)}]


def closed_above(path: Path, user: JobUser | None) -> str:
    """The first folder on the way to `path` that this user may not pass; empty if there is none."""
    for folder in reversed(path.parents):
        if user is not None and not may_pass(folder, user):
            return str(folder)
    return ""


def bars(path: str, user: JobUser | None) -> bool:
    """Whether it is a folder that this user may not pass: shown, it would bar the way to what lies in it."""
    return user is not None and Path(path).is_dir() and not may_pass(Path(path), user)


def may_pass(folder: Path, user: JobUser) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in (user.gid, *user.groups):
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether it is one of the folders or lies in one."""
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
