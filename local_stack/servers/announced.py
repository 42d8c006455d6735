"""Where local stacks run, in the user's own configuration: `trainyard` finds the one that was started last from any folder."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_stack.servers import private_files

MOST = 10


@contextmanager
def announced(home: Path, path: Path | None) -> Iterator[None]:
    """While inside, the stack in `home` is found before all others; afterwards, after them.

    A folder that cannot be written is no reason not to start: then `trainyard` finds the stack from its own folder alone.
    """
    if path is None:
        yield
        return
    _write(path, [home, *_others(path, home)])
    try:
        yield
    finally:
        _write(path, [*_others(path, home), home])


def stacks_file() -> Path | None:
    """In the folder that `trainyard login` writes to; None for a user without a home."""
    base = os.environ.get("XDG_CONFIG_HOME")
    with suppress(RuntimeError):
        return (Path(base) if base else Path.home() / ".config") / "trainyard" / "stacks.json"
    return None


def _others(path: Path, home: Path) -> list[Path]:
    """Those that are known beside this one and whose data is still there."""
    try:
        known = [Path(other) for other in json.loads(path.read_text(encoding="utf-8"))["homes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [other for other in known if other != home and (other / "credentials.json").is_file()][: MOST - 1]


def _write(path: Path, homes: list[Path]) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_files.write(path, json.dumps({"homes": [str(home) for home in homes]}, indent=1) + "\n")
