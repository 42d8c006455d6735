"""Opens a trace, whatever its format: SWF or our CSV, plain or compressed with gzip."""

import csv
import gzip
import io
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from simulator import csv_trace, swf
from simulator.numerals import number
from simulator.trace import Trace, TraceError, TraceJob, check_text

GZIP = b"\x1f\x8b"
ENCODING = "utf-8-sig"  # with or without the mark that some programs put first
KEEP_BYTES = "surrogateescape"  # comments may be in any encoding; data lines are checked where they are read


def read_trace(path: Path, width: swf.Width = swf.Width.REQUESTED) -> Trace:
    """All jobs of a file, sorted by their submission; those of one moment stay in the order of the file.

    Raises TraceError with the line of what cannot be understood.
    """
    try:
        with _opened(path) as lines:
            trace = _read(path, lines, width)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceError(path, None, f"is a damaged gzip file ({error}).") from error
    except csv.Error as error:
        raise TraceError(path, None, f"is no CSV ({error}).") from error
    except OSError as error:
        raise TraceError(path, None, f"cannot be read: {error.strerror or error}.") from error
    if not trace.jobs:
        raise TraceError(path, None, "has no jobs.")
    in_order = tuple(sorted(trace.jobs, key=lambda job: job.submit_s))
    return replace(trace, jobs=in_order, out_of_order=_out_of_order(trace.jobs))


def _opened(path: Path) -> io.TextIOWrapper:
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
    if compressed:
        return gzip.open(path, "rt", encoding=ENCODING, errors=KEEP_BYTES, newline="")
    return path.open(encoding=ENCODING, errors=KEEP_BYTES, newline="")


def _read(path: Path, lines: Iterator[str], width: swf.Width) -> Trace:
    head = []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    whole = chain(head, lines)
    return csv_trace.read(path, whole) if _is_csv(path, head) else swf.read(path, whole, width)


def _is_csv(path: Path, head: list[str]) -> bool:
    """SWF begins with a comment or a number, whatever its comments hold; a CSV with the names of its columns."""
    first = head[-1].strip() if head else ""
    if not first or first.startswith(swf.COMMENT):
        return False
    check_text(path, len(head), [first])
    if _is_number(first.split()[0]):
        return False
    if "," in first or first in csv_trace.COLUMNS:
        return True
    raise TraceError(
        path,
        len(head),
        "is neither SWF, which begins with `;` or a number, nor our CSV, which begins with the names of its columns, "
        f"commas between them: {','.join(csv_trace.COLUMNS_NEEDED)},cpus.",
    )


def _is_number(word: str) -> bool:
    try:
        number(word)
    except ValueError:
        return False
    return True


def _out_of_order(jobs: Iterable[TraceJob]) -> int:
    """The fewest lines that one would have to move: all but the longest run of lines that are in order."""
    ends: list[float] = []  # the least last submission of a run of so many lines
    count = 0
    for count, job in enumerate(jobs, start=1):  # noqa: B007 - the last one is the number of jobs
        at = bisect_right(ends, job.submit_s)
        ends[at : at + 1] = [job.submit_s]
    return count - len(ends)
