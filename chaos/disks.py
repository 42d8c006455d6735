"""Small disks of the drill's own, seen by nobody outside its mount namespace."""

import os
import shutil
import subprocess
from pathlib import Path

DISK_MB = 48


def mounts_allowed() -> bool:
    """Whether this process may mount a disk that nobody else sees: see `__main__.enter_own_mounts`."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    trial = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def mount(folder: Path) -> None:
    """A small disk at `folder`; it goes with the last process of this mount namespace."""
    _mount("-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "none", str(folder))


def cover_read_only(folder: Path) -> None:
    """The same files at the same place, but read-only, until `unmount`.

    Made ready beside it and moved there: whoever opened a file for writing between two steps would keep it writable.
    """
    aside = folder.with_name(f"{folder.name}.read-only")
    aside.mkdir(exist_ok=True)
    _mount("--bind", str(folder), str(aside))
    _mount("-o", "remount,bind,ro", str(aside))
    _mount("--move", str(aside), str(folder))


def unmount(folder: Path) -> None:
    """Its folder can be removed again, though the last process that had a file open there may not have ended yet."""
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
