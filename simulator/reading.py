"""Opens a trace, whatever its format: SWF or our CSV, plain or compressed with gzip."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from simulator import csv_trace, swf
from simulator.trace import TraceError, TraceJob

GZIP = b"\x1f\x8b"
ENCODING = "utf-8-sig"  # with or without the mark that some programs put first


def read_trace(path: Path) -> tuple[TraceJob, ...]:
    """All jobs of a file, in its order. Raises TraceError with the line of what cannot be understood."""
    try:
        with _opened(path) as lines:
            jobs = tuple(_in_order(path, _reader(lines)(path, lines)))
    except UnicodeDecodeError as error:
        raise TraceError(path, None, f"is no text in UTF-8 ({error.reason}).") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceError(path, None, f"is a damaged gzip file ({error}).") from error
    except csv.Error as error:
        raise TraceError(path, None, f"is no CSV ({error}).") from error
    except OSError as error:
        raise TraceError(path, None, f"cannot be read: {error.strerror or error}.") from error
    if not jobs:
        raise TraceError(path, None, "has no jobs.")
    return jobs


def _opened(path: Path) -> io.TextIOWrapper:
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
    if compressed:
        return gzip.open(path, "rt", encoding=ENCODING, newline="")
    return path.open(encoding=ENCODING, newline="")


def _reader(lines: io.TextIOWrapper) -> Callable[[Path, Iterable[str]], Iterator[TraceJob]]:
    """SWF has no commas outside its comments; a CSV's first line has."""
    first = lines.readline()
    lines.seek(0)
    return csv_trace.read if "," in first and not first.lstrip().startswith(swf.COMMENT) else swf.read


def _in_order(path: Path, jobs: Iterable[TraceJob]) -> Iterator[TraceJob]:
    last = 0.0
    for job in jobs:
        if job.submit_s < last:
            raise TraceError(
                path,
                job.line,
                f"job {job.id} was submitted at {job.submit_s:g}, before the job above it ({last:g}): "
                "sort the lines by the time of submission.",
            )
        last = job.submit_s
        yield job
