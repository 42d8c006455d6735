"""What an attempt of a job left in its TRAINYARD_OUTPUT_DIR, and checkpoints: listed, read, downloaded."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

from trainyard.client import tables
from trainyard.errors import OutOfReachError, UsageError
from trainyard.http.patience import Patience
from trainyard.http.requests import Row, Server

COMING = "coming"


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file, or a link; `state` says why one that was left out is not kept."""

    path: str
    size: int
    state: str
    sha256: str = ""
    link: str = ""
    executable: bool = False


class Outputs(Mapping[str, OutputFile]):
    """Files by their paths. `state`: none, coming (the node uploads them), kept, lost or forgotten."""

    def __init__(self, server: Server, job_id: int, answer: Row, files: list[Row], kind: str) -> None:
        self._server, self._job, self._kind = server, job_id, kind
        self.attempt: int | None = answer["attempt"]
        self.state: str = answer["state"]
        fields = OutputFile.__slots__
        self._files = {one["path"]: OutputFile(**{name: one[name] for name in fields if name in one}) for one in files}

    def read(self, path: str) -> bytes:
        """What a file holds. Raises `NotFoundError`."""
        return b"".join(self.stream(path))

    def stream(self, path: str) -> Iterator[bytes]:
        """The same bit by bit; after a lost connection from where it stood."""
        patience, done = Patience(), 0
        query = urlencode({"attempt": self.attempt, "kind": self._kind} if self.attempt else {"kind": self._kind})
        etag = f'"{self._files[path].sha256}"' if path in self._files else ""
        while True:
            try:
                where = f"jobs/{self._job}/outputs/{quote(path)}?{query}"
                with self._server.part(where, start=done if etag else 0, etag=etag) as (pieces, begin):
                    position = begin
                    for data in pieces:
                        new = data[max(done - position, 0) :]
                        position += len(data)
                        done += len(new)
                        if new:
                            yield new
                        patience.answered()
            except OutOfReachError as silence:
                patience.wait(silence)
            else:
                return

    def download(self, folder: str | os.PathLike[str], prefix: str = "") -> list[Path]:
        """Write the files below `prefix` into a folder, as they lay; returns where they are. What is not kept is left out."""
        top = Path(folder)
        wanted = [
            one for one in self._files.values() if one.path.startswith(prefix) and one.state == "kept" and not one.link
        ]
        return [self._write(one, _inside(top, one.path)) for one in wanted]

    def _write(self, one: OutputFile, target: Path) -> Path:
        """Whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.part")
        with draft.open("wb") as file:
            for data in self.stream(one.path):
                file.write(data)
        if one.executable:
            draft.chmod(draft.stat().st_mode | 0o111)
        return draft.replace(target)

    def __getitem__(self, path: str) -> OutputFile:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<Outputs of job {self._job}: {self.state}, {len(self)} files>"

    def _repr_html_(self) -> str:
        return tables.table(
            ("PATH", "BYTES", "STATE"), ((one.path, one.size, one.state) for one in self._files.values())
        )


def outputs_of(server: Server, job_id: int, *, attempt: int | None = None, kind: str = "output") -> Outputs:
    """Those of one attempt, by default of the last one that left any."""
    path, files, after = f"jobs/{job_id}/outputs", list[Row](), None
    while True:
        answer = server.get(path, attempt=attempt, kind=kind, after=after)
        files += answer["files"]
        after = answer["next"]
        if after is None:
            return Outputs(server, job_id, answer, files, kind)


def _inside(top: Path, path: str) -> Path:
    """Where it goes; a path that leads out of the folder goes nowhere."""
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or ".." in parts:
        raise UsageError(f"outputs: {path!r} leads out of the folder.")
    return top.joinpath(*parts)
