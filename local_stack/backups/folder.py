"""A backup as a folder: `database.dump`, `logs/` where logs lie in files, and `manifest.json`, which says what is in it.

The database comes first and the logs after it: a log lies in the storage before its rows leave the database, so every log
that the dump names, or has as rows, is in the folder.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from executors.celery_worker.release import release
from local_stack.backups import fingerprint
from local_stack.backups.fingerprint import TablePrint
from local_stack.servers import dumps
from local_stack.servers.errors import StackError

DUMP, LOGS, MANIFEST = "database.dump", "logs", "manifest.json"
FORMAT = 1
ELSEWHERE = "s3"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    taken_at: str
    release: str
    dump_sha256: str
    tables: Mapping[str, TablePrint]
    logs: str
    """`files`: they are in the folder; `s3`: they are in their bucket, which has backups of its own."""
    log_files: int = 0
    log_bytes: int = 0
    format: int = field(default=FORMAT)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def write(url: str, folder: Path) -> Manifest:
    """Back up the platform whose database this is into a new folder: there is all of it or nothing.

    Raises StackError where there is something already, or it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StackError(f"{folder} is there already, and not empty: name a new folder.")
    draft = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        manifest = _fill(url, draft)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except OSError as error:
        raise StackError(f"{folder} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _fill(url: str, draft: Path) -> Manifest:
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    with fingerprint.moment_of(url) as moment:
        dumps.back_up(url, draft / DUMP, snapshot=moment.snapshot)
    logs = _log_folder()
    files = _copy(logs, draft / LOGS) if logs is not None else []
    manifest = Manifest(
        taken_at,
        release(),
        _sha256(draft / DUMP),
        moment.tables,
        ELSEWHERE if logs is None else "files",
        len(files),
        sum(files),
    )
    (draft / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    return manifest


def read(folder: Path) -> Manifest:
    """What the folder says of itself; StackError where it is no backup, or its dump is not the one that was made."""
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        tables = {name: TablePrint(int(rows), str(checksum)) for name, (rows, checksum) in told.pop("tables").items()}
        manifest = Manifest(**told, tables=tables)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise StackError(f"{folder} is no backup: its {MANIFEST} is not there or cannot be read.") from None
    if manifest.format > FORMAT:
        raise StackError(f"{folder} was made by release {manifest.release}: restore it with that one.")
    try:
        whole = _sha256(folder / DUMP) == manifest.dump_sha256
    except OSError as error:
        raise StackError(f"{folder / DUMP} cannot be read: {error.strerror}.") from None
    if not whole:
        raise StackError(f"{folder / DUMP} is not what was backed up: its checksum is another one.")
    return manifest


def restore_logs(folder: Path) -> int:
    """Put stored logs back that are not there any more; returns how many. What is there stays."""
    logs = _log_folder()
    return 0 if logs is None or not (folder / LOGS).is_dir() else len(_copy(folder / LOGS, logs))


def _log_folder() -> Path | None:
    """Where stored logs lie, if it is a folder."""
    storage: Any = settings.STORAGES["logs"]
    return Path(storage["OPTIONS"]["location"]) if storage["BACKEND"] == settings.FILES else None


def _copy(source: Path, target: Path) -> list[int]:
    """Copy what `target` lacks; the sizes. What is deleted meanwhile is not missed: retention has forgotten it."""
    sizes = []
    for file in sorted(source.rglob("*")) if source.is_dir() else []:
        there = target / file.relative_to(source)
        if not file.is_file() or there.exists():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        draft = there.with_name(f".{there.name}.new")
        try:
            shutil.copy2(file, draft)
        except FileNotFoundError:
            draft.unlink(missing_ok=True)
            continue
        draft.replace(there)
        sizes.append(there.stat().st_size)
    return sizes


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
