"""From which checkpoint each attempt began, kept beside the checkpoints until it is known that it gets further."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from trainyard.ranks import is_first

FOLDER, FILE = ".trainyard", "resumes.json"
KEPT = 100

_begun: Path | None = None


def began(path: Path) -> None:
    """This attempt goes on from there. Until it says more, it counts as one that fails with it."""
    global _begun  # noqa: PLW0603  a process goes on from one checkpoint
    _begun = path
    _write(path, add=True)


def went_on() -> None:
    """The attempt has got further than the checkpoint that it began from."""
    global _begun
    if _begun is not None:
        path, _begun = _begun, None
        forget(path)


def clear() -> None:
    """The attempt is stopped: if it gets no further, that is not for its checkpoint."""
    if _begun is not None:
        _write(_begun, add=False)


def forget(path: Path) -> None:
    """It is a good one, or another one by now."""
    if _name(path) in _read():
        _write(path, add=None)


def failures(path: Path) -> int:
    """How many earlier attempts began from there and got no further."""
    return len([attempt for attempt in _read().get(_name(path), []) if attempt != _attempt()])


def _write(path: Path, *, add: bool | None) -> None:
    """With this attempt, without it, or nothing at all. Of several processes the first one writes; whatever fails, training goes on."""
    if not is_first() or not _attempt():
        return
    with suppress(Exception):
        known = _read()
        others = [attempt for attempt in known.pop(_name(path), []) if attempt != _attempt() and add is not None]
        attempts = [*others, _attempt()] if add else others
        known = {**known, **({_name(path): attempts} if attempts else {})}
        _replace(json.dumps(dict(list(known.items())[-KEPT:])))


def _replace(text: str) -> None:
    file = _file()
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


def _read() -> dict[str, list[str]]:
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
        return {str(name): [str(attempt) for attempt in attempts] for name, attempts in known.items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}


def _file() -> Path:
    return Path(os.environ["TRAINYARD_CHECKPOINT_DIR"]) / FOLDER / FILE


def _name(path: Path) -> str:
    return os.path.relpath(path, os.environ.get("TRAINYARD_CHECKPOINT_DIR", "."))


def _attempt() -> str:
    return os.environ.get("TRAINYARD_ATTEMPT", "")
