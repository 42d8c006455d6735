"""Our own trace format, one job a line: what `manage.py export_trace` writes.

`job_id submit_s duration_s nodes gpus cpus mem_gb user group priority requested_walltime_s status deadline_s`: a header
line, empty is unknown; a job without a `duration_s` never started; a `requested_walltime_s` of `none`: the job had no limit. Other columns are passed over; all but `COLUMNS_NEEDED` may be missing.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from scheduling.resources import WHOLE_GPU
from simulator.numerals import number
from simulator.trace import Trace, TraceError, TraceJob, check_text

COLUMNS = (
    "job_id", "submit_s", "duration_s", "nodes", "gpus", "cpus", "mem_gb", "user", "group", "priority",
    "requested_walltime_s", "status", "deadline_s",
)  # fmt: skip
COLUMNS_NEEDED = ("job_id", "submit_s", "duration_s")
SIZES = ("cpus", "gpus")
MEGABYTES = 1024
HIGHEST_PRIORITY = 100
NO_LIMIT = "none"


def read(path: Path, lines: Iterable[str]) -> Trace:
    """The jobs of these lines, after the header line, in their order."""
    return Trace(tuple(_jobs(path, _checked(path, lines))))


def _checked(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for line, text in enumerate(lines, start=1):
        check_text(path, line, [text])
        yield text


def _jobs(path: Path, lines: Iterable[str]) -> Iterator[TraceJob]:
    rows = csv.DictReader(lines, strict=True)
    _check_header(path, rows.fieldnames or ())
    for row in rows:
        if None in row or None in row.values():
            raise TraceError(path, rows.line_num, "does not have as many fields as the header line.")
        yield _job(_Cells(path, rows.line_num, row))


def _check_header(path: Path, names: Iterable[str]) -> None:
    missing = [name for name in COLUMNS_NEEDED if name not in names]
    if not missing and not set(SIZES) & set(names):
        missing = ["cpus or gpus"]
    if missing:
        raise TraceError(path, 1, f"has no column {', '.join(missing)}. The columns are: {' '.join(COLUMNS)}.")


def _job(cells: "_Cells") -> TraceJob:
    submit = cells.number("submit_s")
    if submit is None:
        raise cells.error("submit_s is empty: write seconds from the start of the trace.")
    gpus = cells.number("gpus") or 0
    run = cells.number("duration_s")
    unlimited = cells.text("requested_walltime_s").casefold() == NO_LIMIT
    return TraceJob(
        id=cells.text("job_id"),
        line=cells.line,
        submit_s=submit,
        run_s=run,
        never_started=run is None,
        walltime_s=None if unlimited else cells.number("requested_walltime_s"),
        unlimited=unlimited,
        cpus=math.ceil(cells.number("cpus") or 0),
        gpus=math.ceil(gpus),
        gpu_milli=max(1, math.floor(gpus * WHOLE_GPU + 0.5)) if 0 < gpus < 1 else WHOLE_GPU,
        memory_mb=math.ceil((cells.number("mem_gb") or 0) * MEGABYTES),
        nodes=int(cells.number("nodes") or 1),
        user=cells.text("user"),
        group=cells.text("group"),
        priority=cells.priority(),
        deadline_s=cells.number("deadline_s"),
    )


class _Cells:
    """The cells of one line."""

    def __init__(self, path: Path, line: int, row: Mapping[str, str]) -> None:
        self.line = line
        self._path, self._row = path, row

    def text(self, column: str) -> str:
        return self._row.get(column, "").strip()

    def number(self, column: str) -> float | None:
        """None if the cell is empty or there is no such column."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = number(text)
        except ValueError:
            raise self.error(f"{column} is {text!r}: write a number, or leave it empty.") from None
        if value < 0:
            raise self.error(f"{column} is {text}: write 0 or more, or leave it empty if it is unknown.")
        return value

    def priority(self) -> int | None:
        """From 0 to 100 as the platform has it; other words for it are not understood, and unknown."""
        text = self.text("priority")
        return int(text) if text.isdecimal() and int(text) <= HIGHEST_PRIORITY else None

    def error(self, message: str) -> TraceError:
        return TraceError(self._path, self.line, message)
