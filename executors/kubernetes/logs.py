"""Reading a container's log from where the last reader stood.

The API knows no offsets into a log, only a moment, in whole seconds, from which on it gives lines. So a position is the
moment of the last line that was read, in nanoseconds; this process also keeps in mind how many bytes of the answer for
that second it has read already, and with that nothing is given twice or left out, whatever stands in the same second. A
read costs what was written since the second before the last line, however long the log is.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from clusters.kubernetes.connection import GONE, Connection, DeniedError, SilentError
from executors.engine import Output

MOST_BYTES = 4 * 2**20
LARGEST_BYTES = 64 * 2**20
"""Of an answer in which everything was read before already: a second in which so much was written."""
HEAD_BYTES = 64
NOT_YET = 400
"""What is answered of a container that is not made yet."""
SECOND = 10**9
STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
PODS_ARE_GONE = "The pod is gone, and with it what was not read of its log."
ROTATED = "The node began a new log file: what was written shortly before may be missing."


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: after `skip` bytes of the answer for `since`, which begins with `head`."""

    position: int
    since: int
    skip: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One of an answer: its moment in nanoseconds (None: the rest of a line that began before), and its text."""

    start: int
    moment: int | None
    text: bytes


class LogReader:
    """Reads many logs, each by one caller at a time."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._cursors: dict[tuple[str, str], Cursor] = {}

    def forget(self, pod: str) -> None:
        for key in [key for key in self._cursors if key[0] == pod]:
            del self._cursors[key]

    def read(self, pod: str, container: str, position: int) -> Output:
        """What was written after a position; nothing of what has not been written yet. Raises SilentError, DeniedError."""
        cursor = self._cursors.get((pod, container))
        if cursor is None or cursor.position != position:
            cursor = Cursor(position, position // SECOND, 0, b"")
        try:
            output, after = self._read_on(pod, container, cursor)
        except DeniedError as error:
            if error.status not in (GONE, NOT_YET):
                raise
            return Output(b"", position, PODS_ARE_GONE if error.status == GONE else "")
        except SilentError as error:
            if error.status < 500:  # noqa: PLR2004
                raise
            return Output(b"", position)  # the API server answers, the pod's node does not
        self._cursors[pod, container] = after
        return output

    def _read_on(self, pod: str, container: str, cursor: Cursor) -> tuple[Output, Cursor]:
        limit = cursor.skip + MOST_BYTES
        while True:
            raw = self._raw(pod, container, cursor.since, limit)
            output, after = taken(raw, cursor, cut=len(raw) >= limit)
            if output.data or len(raw) < limit or limit >= LARGEST_BYTES:
                return output, after
            limit *= 2

    def _raw(self, pod: str, container: str, since: int, limit: int) -> bytes:
        query = {"container": container, "timestamps": "true", "limitBytes": limit}
        if since > 0:
            query["sinceTime"] = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._connection.read(f"read the log of {pod}", f"{self._path}/{pod}/log", query=query)


def taken(raw: bytes, cursor: Cursor, *, cut: bool) -> tuple[Output, Cursor]:
    """What of an answer is new to a reader who stands there, and where he stands then. `cut`: more would have come."""
    end = len(raw)
    if cut and (last := raw.rfind(b"\n", cursor.skip)) >= 0:
        end = last + 1
    lines = split(raw[:end])
    known = cursor.skip > 0
    rotated = known and not raw.startswith(cursor.head[: len(raw)])
    if known and not rotated and len(raw) >= cursor.skip:
        data = b"".join(line.text for line in split(raw[cursor.skip : end]))
    else:
        data = b"".join(line.text for line in lines if line.moment is not None and line.moment > cursor.position)
    moments = [line.moment for line in lines if line.moment is not None]
    position = max([cursor.position, *moments])
    return Output(data, position, ROTATED if rotated else ""), _advanced(raw[:end], lines, position, cursor.since)


def _advanced(raw: bytes, lines: list[Line], position: int, since: int) -> Cursor:
    """A second before the last line, as lines of a container's two streams may stand a little out of order."""
    later = max(since, position // SECOND - 1)
    kept: list[bytes] = []
    follows = False
    for line, following in zip_longest(lines, lines[1:]):
        after = following.start if following is not None else len(raw)
        if line.moment is not None:
            follows = line.moment >= later * SECOND
        if follows:
            kept.append(raw[line.start : after])
    again = b"".join(kept)
    return Cursor(position, later, len(again), again[:HEAD_BYTES])


def split(raw: bytes) -> list[Line]:
    """An answer with timestamps as lines; the last may have no end yet."""
    found: list[Line] = []
    start = 0
    for piece in raw.split(b"\n"):  # carriage returns, as progress bars write them, end no line
        whole = raw[start : start + len(piece) + 1]
        if whole:
            stamp = STAMP.match(whole)
            moment = None if stamp is None else _nanoseconds(stamp)
            found.append(Line(start, moment, whole if stamp is None else whole[stamp.end() :]))
        start += len(whole)
    return found


def _nanoseconds(stamp: "re.Match[bytes]") -> int:
    whole, fraction, zone = (part.decode() if part else "" for part in stamp.groups())
    return int(datetime.fromisoformat(f"{whole}{zone}").timestamp()) * SECOND + int(fraction.ljust(9, "0") or 0)
