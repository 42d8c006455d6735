"""Reading a container's log from a byte on.

The API knows no offsets into a log, only a moment, in whole seconds, from which on it gives lines, and it gives no more
than the node's current file, which begins anew every few megabytes. So this process keeps in mind which bytes of the
answer for which second it has read: a read costs what was written since the second before the last line, however long
the log is. For processes after this one a mark stands on the pod, "byte so-and-so was written at this moment", made anew
after some megabytes: by it a reader who knows nothing finds his byte, also where the beginning is no longer there. (A line that does not end for hours, as a progress bar
writes it, is read anew each time from its beginning. Kubelets before 1.23 put moments into lines of more than 16 KB.)
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest

from clusters.kubernetes.connection import GONE, Connection, DeniedError, JsonObject, SilentError
from executors.engine import Output
from executors.kubernetes import pods
from executors.kubernetes.manifest import LOG_MARK

MOST_BYTES = 4 * 2**20
LARGEST_BYTES = 64 * 2**20
"""Of an answer in which everything was read before already."""
MARK_BYTES, LEAST_MARK_BYTES, MARK_SECONDS = 4 * 2**20, 2**16, 60.0
"""A mark is made anew after so many bytes, or after fewer in so much time."""
HEAD_BYTES = 64
NOT_YET = 400
"""What is answered of a container that is not made yet."""
SECOND = 10**9
STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
PODS_ARE_GONE = "The pod is gone, and with it what was not read of its log."
BEGAN_ANEW = "The node began a new log file before all of the old one was read."


@dataclass(frozen=True, slots=True)
class Mark:
    """The bytes before `position` were written until `moment`, in nanoseconds; both 0: nothing is known."""

    position: int = 0
    moment: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: after `skip` bytes of the answer for the second `since`, which begins with `head`."""

    position: int
    moment: int
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
    """Reads many logs. `note` writes annotations on a pod."""

    def __init__(self, connection: Connection, namespace: str, note: Callable[[str, Mapping[str, str]], None]) -> None:
        self._connection = connection
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._note = note
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self._marked: dict[tuple[str, str], tuple[int, float]] = {}

    def forget(self, pod: str) -> None:
        for key in [key for key in list(self._cursors) if key[0] == pod]:
            self._cursors.pop(key, None)
            self._marked.pop(key, None)

    def read(self, pod: JsonObject, container: str, position: int, *, ended: bool = False) -> Output:
        """What was written from a byte on; nothing of what has not been written yet. Raises SilentError, DeniedError.

        `ended`: whoever wrote it has ended, so that an answer that was not cut is the last.
        """
        key = pods.name_of(pod), container
        cursor = self._cursors.get(key)
        try:
            if cursor is None or cursor.position != position:
                output, cursor = self._find(key, position, mark_of(pod, container))
            else:
                output, cursor = self._read_on(key, cursor)
        except DeniedError as error:
            if error.status not in (GONE, NOT_YET):
                raise
            return Output(b"", position, PODS_ARE_GONE if error.status == GONE else "")
        except SilentError as error:
            if error.status < 500:  # noqa: PLR2004
                raise
            return Output(b"", position)  # the API server answers, the pod's node does not
        self._cursors[key] = cursor
        marked, marked_at = self._marked.setdefault(key, (mark_of(pod, container).position, time.monotonic()))
        new, late = cursor.position - marked, time.monotonic() - marked_at > MARK_SECONDS
        ends = output.data.endswith(b"\n")  # inside a line there is no moment of its own
        if ends and (new >= MARK_BYTES or (late and new >= LEAST_MARK_BYTES)):
            self._note(key[0], {f"{LOG_MARK}{container}": f"{cursor.position}@{cursor.moment}"})
            self._marked[key] = cursor.position, time.monotonic()
        return output if ended else replace(output, whole=False)

    def _read_on(self, key: tuple[str, str], cursor: Cursor) -> tuple[Output, Cursor]:
        limit = cursor.skip + MOST_BYTES
        while True:
            raw = self._raw(key, cursor.since, limit)
            output, after = read_on(raw, cursor, cut=len(raw) >= limit)
            if output.data or len(raw) < limit or limit >= LARGEST_BYTES:
                return replace(output, whole=len(raw) < limit), after
            limit *= 2

    def _find(self, key: tuple[str, str], position: int, mark: Mark) -> tuple[Output, Cursor]:
        """For one who stands at a byte of which this process does not know where it is."""
        since = mark.moment // SECOND if position >= mark.position else 0
        limit = MOST_BYTES
        while True:
            raw = self._raw(key, since, limit)
            output, after = find(raw, position, mark, since, cut=len(raw) >= limit)
            if output.data or len(raw) < limit or limit >= LARGEST_BYTES:
                return replace(output, whole=len(raw) < limit), after
            limit *= 2

    def _raw(self, key: tuple[str, str], since: int, limit: int) -> bytes:
        query = {"container": key[1], "timestamps": "true", "limitBytes": limit}
        if since > 0:
            query["sinceTime"] = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._connection.read(f"read the log of {key[0]}", f"{self._path}/{key[0]}/log", query=query)


def mark_of(pod: JsonObject, container: str) -> Mark:
    position, _, moment = pods.annotation(pod, f"{LOG_MARK}{container}").partition("@")
    return Mark(int(position), int(moment)) if position.isdigit() and moment.isdigit() else Mark()


def read_on(raw: bytes, cursor: Cursor, *, cut: bool) -> tuple[Output, Cursor]:
    """What of an answer is new to a reader who stands there, and where he stands then. `cut`: more would have come."""
    # What stands before the head is the rest of a line that began before that second: such a rest has a moment of its own.
    begins = raw.find(cursor.head)
    if begins >= 0 and len(raw) >= begins + cursor.skip:
        start = begins + cursor.skip
        return _taken(_whole(raw, start, cut=cut), start, cursor.position, cursor)
    whole = _whole(raw, 0, cut=cut)
    later = [line.start for line in split(whole) if line.moment is not None and line.moment > cursor.moment]
    if not later:
        return Output(b"", cursor.position), cursor
    # Nobody knows how much was in the old file: one byte stands for it, so that it is told where it is missing.
    return _taken(whole, later[0], cursor.position + 1, cursor, lost=BEGAN_ANEW)


def find(raw: bytes, position: int, mark: Mark, since: int, *, cut: bool) -> tuple[Output, Cursor]:
    """The same for a reader who stands at a byte; the answer is for `since`, 0 for all that the node has."""
    whole = _whole(raw, 0, cut=cut)
    lines = split(whole)
    before = sum(len(line.text) for line in lines if line.moment is not None and line.moment <= mark.moment)
    first = max(0, mark.position - before)  # which byte of the log the answer begins with
    nobody = Cursor(position, mark.moment, since, 0, b"")
    start, at = 0, first
    for line in lines:
        if at >= position:
            break
        step = min(len(line.text), position - at)
        start, at = line.start + (_stamp_bytes(whole, line) + step), at + step
    if at < position and cut:
        return Output(b"", position), nobody
    if at < position and lines:  # it is shorter than what was read of it: begun anew, and no mark tells when
        start, at = lines[0].start, position + 1
    return _taken(whole, start, max(at, position), nobody, lost=BEGAN_ANEW if at > position else "")


def _whole(raw: bytes, skip: int, *, cut: bool) -> bytes:
    """Without the line in the middle of which it was cut off."""
    last = raw.rfind(b"\n", skip) if cut else -1
    return raw[: last + 1] if last >= 0 else raw


def _taken(raw: bytes, start: int, position: int, cursor: Cursor, *, lost: str = "") -> tuple[Output, Cursor]:
    inside_a_line = start > 0 and not raw.startswith(b"\n", start - 1)
    end = (raw.find(b"\n", start) + 1 or len(raw)) if inside_a_line else start
    data = raw[start:end] + b"".join(line.text for line in split(raw[end:]))
    return Output(data, position + len(data), lost), _advanced(raw, split(raw), cursor, position + len(data))


def _advanced(raw: bytes, lines: list[Line], cursor: Cursor, position: int) -> Cursor:
    """A second before the last line, as lines of a container's two streams may stand a little out of order."""
    moment = max([cursor.moment, *(line.moment for line in lines if line.moment is not None)])
    since = max(cursor.since, moment // SECOND - 1)
    kept: list[bytes] = []
    follows = False
    for line, following in zip_longest(lines, lines[1:]):
        after = following.start if following is not None else len(raw)
        if line.moment is not None:
            follows = line.moment >= since * SECOND
        if follows:
            kept.append(raw[line.start : after])
    again = b"".join(kept)
    return Cursor(position, moment, since, len(again), again[:HEAD_BYTES])


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


def _stamp_bytes(raw: bytes, line: Line) -> int:
    stamp = STAMP.match(raw, line.start) if line.moment is not None else None
    return stamp.end() - line.start if stamp is not None else 0


def _nanoseconds(stamp: "re.Match[bytes]") -> int:
    whole, fraction, zone = (part.decode() if part else "" for part in stamp.groups())
    return int(datetime.fromisoformat(f"{whole}{zone}").timestamp()) * SECOND + int(fraction.ljust(9, "0") or 0)
