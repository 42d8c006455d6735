"""Files that only their owner may read, written whole or not at all."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replace `path` by `text`, mode 0600. A reader sees the old text or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
