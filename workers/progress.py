"""What a command reports about itself: JSON lines such as `{"progress": 0.4, "loss": 1.2}`, appended to its report file.

The command is not ours and may write anything. Every value that comes out of here can be stored in the database and shown.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workers.logs import read_regular

READ_BYTES = 1024 * 1024
LINE_BYTES = 64 * 1024
NAME_CHARACTERS = 100
TEXT_CHARACTERS = 1000
METRICS = 100

Metric = float | int | str


@dataclass(frozen=True, slots=True)
class Report:
    """The latest value of each thing that was reported since the last look."""

    progress: float | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    checkpoint: bool = False  # a checkpoint was written


class ProgressReader:
    """Follows one report file; `refused` counts the lines and values that could not be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused = 0
        self._offset = 0
        self._half_line = b""
        self._inside_refused_line = False

    def read_new(self) -> Report | None:
        """What the complete new lines say together, a later one before an earlier one; None when they say nothing."""
        progress: float | None = None
        metrics: dict[str, Metric] = {}
        checkpoint = False
        for line in self._new_lines():
            values = self._parse(line)
            if values.get("checkpoint") is True:
                checkpoint = True
                del values["checkpoint"]
            if "progress" in values:
                progress = self._progress(values.pop("progress"), progress)
            metrics |= self._metrics(values)
        if progress is None and not metrics and not checkpoint:
            return None
        return Report(progress, dict(list(metrics.items())[:METRICS]), checkpoint)

    def _new_lines(self) -> Iterator[bytes]:
        if self.path.exists() and self.path.stat().st_size < self._offset:
            self._offset, self._half_line = 0, b""  # written anew, not appended to
        data = read_regular(self.path, self._offset, READ_BYTES)
        self._offset += len(data)
        *lines, self._half_line = (self._half_line + data).split(b"\n")
        for line in lines:
            if self._inside_refused_line or len(line) > LINE_BYTES:
                self.refused += 1
            elif line.strip():
                yield line
            self._inside_refused_line = False
        if len(self._half_line) > LINE_BYTES:
            self._half_line, self._inside_refused_line = b"", True

    def _parse(self, line: bytes) -> dict[str, object]:
        try:
            # NaN and Infinity, which JSON does not know, become texts: a loss that is NaN is worth seeing.
            values = json.loads(line.decode(), parse_constant=str)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            return values
        self.refused += 1
        return {}

    def _progress(self, value: object, before: float | None) -> float | None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(min(max(value, 0), 1))
        self.refused += 1
        return before

    def _metrics(self, values: Mapping[str, object]) -> dict[str, Metric]:
        storable = {text(name, NAME_CHARACTERS): as_metric(value) for name, value in values.items()}
        kept = {name: value for name, value in storable.items() if value is not None}
        self.refused += len(values) - len(kept)
        return kept


def as_metric(value: object) -> Metric | None:
    """The value as the database can hold it; None for what is neither a number nor a text."""
    if isinstance(value, str):
        return text(value, TEXT_CHARACTERS)
    if not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    return number if math.isfinite(number) else json.dumps(number)


def text(value: str, characters: int) -> str:
    """PostgreSQL stores neither NUL nor half a surrogate pair."""
    return value[:characters].replace("\0", "").encode(errors="replace").decode()
