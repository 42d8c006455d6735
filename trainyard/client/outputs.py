"""What an attempt of a job left in its TRAINYARD_OUTPUT_DIR, and checkpoints: listed, read, downloaded."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from trainyard.client import tables
from trainyard.errors import OutOfReachError
from trainyard.http.patience import Patience
from trainyard.http.requests import Row, Server
from trainyard.outputs.download import fetch

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
        self._rows = files
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
        """Write the files below `prefix` into a folder, as they lay; returns where they are. What is not kept is left out.

        Each is checked against its hash, and one that is there already is not fetched again. Raises `TrainyardError` for a
        name that leads out of the folder.
        """
        wanted = [
            row for row in self._rows if row["path"].startswith(prefix) and row["state"] == "kept" and not row["link"]
        ]
        return [Path(folder, row["path"]) for row, _ in fetch(self._server, wanted, Path(folder))]

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
