"""What a command reports about itself: JSON lines such as `{"progress": 0.4, "loss": 1.2}`, appended to its report file.

The command is not ours and may write anything. Every value that comes out of here can be stored in the database and shown.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workers.runtime.log_reader import read_regular
from workers.runtime.series import NAMES, SeriesSet

READ_BYTES = 1024 * 1024
LINE_BYTES = 64 * 1024
KNOWN_BYTES = 64
"""Of what was read last so much is looked at again: where it stands there no longer, the file was written anew."""
NAME_CHARACTERS = 100
TEXT_CHARACTERS = 1000
STEP = "step"
CHECKPOINT, DONE = "checkpoint", "done"
"""Words that a line says by `true`; with another value they are metrics as any other."""
LARGEST_STEP = 2.0**53

NOT_FINITE = {
    **dict.fromkeys(("nan", "-nan"), math.nan),
    **dict.fromkeys(("inf", "infinity"), math.inf),
    **dict.fromkeys(("-inf", "-infinity"), -math.inf),
}
"""What JSON has no numbers for, as people and programs write it."""

Metric = float | int | str


@dataclass(frozen=True, slots=True)
class Report:
    """The latest value of each thing that was reported since the last look."""

    progress: float | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    checkpoint: bool = False  # a checkpoint was written
    done: bool = False  # the work is done, whatever comes after it


class ProgressReader:
    """Follows one report file; `refused` counts the lines and values that could not be used.

    What is a number also goes into `series`, under the step that its line names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused = 0
        self.series = SeriesSet()
        self._refused_before = 0
        self._names: set[str] = set()
        self._offset = 0
        self._known = b""
        self._half_line = b""
        self._inside_refused_line = False
        self._looked_at = time.time()

    @property
    def offset(self) -> int:
        """How far the file is read in whole lines: where another reader would go on."""
        return self._offset - len(self._half_line)

    @property
    def has_unstored(self) -> bool:
        """Whether there is something about the series that was not stored yet."""
        return bool(self.series.changed) or self.refused != self._refused_before

    def stored(self) -> None:
        """Somebody has stored the series as they are now."""
        self.series.changed.clear()
        self._refused_before = self.refused

    def go_on(self, *, offset: int, refused: int, series: SeriesSet) -> None:
        """Follow the file from where an earlier reader stood."""
        self._offset, self.series = offset, series
        self.refused = self._refused_before = refused
        self._names = set(series.series)

    def read_new(self) -> Report | None:
        """What the complete new lines say together, a later one before an earlier one; None when they say nothing.

        A whole object is a line, also while no other follows it: `json.dump` ends none.
        """
        progress: float | None = None
        metrics: dict[str, Metric] = {}
        checkpoint = done = False
        lines = list(self._new_lines())
        for line, written_at in zip(lines, self._moments(len(lines)), strict=True):
            values = self._parse(line)
            checkpoint |= pops_flag(values, CHECKPOINT)
            done |= pops_flag(values, DONE)
            if "progress" in values:
                progress = self._progress(values.pop("progress"), progress)
            said = self._metrics(values)
            metrics |= said
            self._note(said, written_at)
        if progress is None and not metrics and not checkpoint and not done:
            return None
        return Report(progress, metrics, checkpoint, done)

    def _moments(self, lines: int) -> Iterator[float]:
        """When so many new lines were written, as far as we know: spread over the time since the last look."""
        before, self._looked_at = self._looked_at, time.time()
        spent = self._looked_at - before
        yield from (before + spent * number / lines for number in range(1, lines + 1))

    def _note(self, said: Mapping[str, Metric], written_at: float) -> None:
        step = number_of(said.get(STEP))
        if step is not None and not abs(step) < LARGEST_STEP:
            step = None
        values = {name: number for name, value in said.items() if (number := number_of(value)) is not None}
        values.pop(STEP, None)
        self.series.note(values, step=step, time=written_at)

    def _new_lines(self) -> Iterator[bytes]:
        new = self._new_bytes()
        *lines, self._half_line = (self._half_line + new).split(b"\n")
        if (lines or not self._inside_refused_line) and is_object(self._half_line):
            lines.append(self._half_line)
            self._half_line = b""
        for line in lines:
            if self._inside_refused_line or len(line) > LINE_BYTES:
                self.refused += 1
            elif line.strip():
                yield line
            self._inside_refused_line = False
        if len(self._half_line) > LINE_BYTES:
            self._half_line, self._inside_refused_line = b"", True

    def _new_bytes(self) -> bytes:
        """What was appended since the last look; all of a file that was written anew."""
        if self.path.exists() and self.path.stat().st_size < self._offset:
            self._begin_anew()
        known = self._known
        data = read_regular(self.path, self._offset - len(known), len(known) + READ_BYTES)
        if data and not data.startswith(known):
            self._begin_anew()
            known, data = b"", read_regular(self.path, 0, READ_BYTES)
        new = data[len(known) :]
        self._offset += len(new)
        self._known = (known + new)[-KNOWN_BYTES:]
        return new

    def _begin_anew(self) -> None:
        self._offset, self._known, self._half_line, self._inside_refused_line = 0, b"", b"", False

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
        kept = {name: value for name, value in storable.items() if value is not None and self._knows(name)}
        self.refused += len(values) - len(kept)
        return kept

    def _knows(self, name: str) -> bool:
        """Whether this is one of the first names that were reported, so many as we keep."""
        if name not in self._names and len(self._names) < NAMES:
            self._names.add(name)
        return name in self._names


def is_object(line: bytes) -> bool:
    """Whether this is a whole line that can be used: no beginning of an object is one."""
    if len(line) > LINE_BYTES or not line.rstrip().endswith(b"}"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def pops_flag(values: dict[str, object], word: str) -> bool:
    """Whether a line says this word, which is taken out of it then."""
    if values.get(word) is not True:
        return False
    del values[word]
    return True


def checkpoint_after(path: Path, offset: int) -> bool:
    """Whether a report that was so long says after that, in what one read gives, that a checkpoint was written."""
    for line in read_regular(path, offset, READ_BYTES).split(b"\n"):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and values.get(CHECKPOINT) is True:
            return True
    return False


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


def number_of(value: Metric | None) -> float | None:
    """The metric as a number, NaN and infinity included; None for other texts, and for yes and no."""
    if isinstance(value, str):
        return NOT_FINITE.get(value.lower().removeprefix("+"))
    return None if value is None or isinstance(value, bool) else float(value)


def text(value: str, characters: int) -> str:
    """PostgreSQL stores neither NUL nor half a surrogate pair."""
    return value[:characters].replace("\0", "").encode(errors="replace").decode()
