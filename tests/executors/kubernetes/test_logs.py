"""Reading logs by moments: nothing twice, nothing left out, whoever reads on, and what is missing is told."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from clusters.kubernetes.connection import DeniedError, SilentError
from executors.engine import Output
from executors.kubernetes import logs
from executors.kubernetes.logs import BEGAN_ANEW, LogReader
from tests.executors.kubernetes.kubelet import Log

START = 1_700_000_000 * 10**9


class Api:
    """What of an API server a reader of logs needs; `log` answers as the kubelet of the tests does, which a real server asks."""

    def __init__(self) -> None:
        self.log = Log()
        self.pod = {"metadata": {"name": "p", "annotations": {}}}
        self.error: Exception | None = None
        self.moment = START

    def read(self, _what, _path, *, query):
        if self.error is not None:
            raise self.error
        since = datetime.fromisoformat(query.get("sinceTime", "1970-01-01T00:00:00Z")).timestamp()
        return self.log.answer(int(since) * 10**9, query["limitBytes"], timestamps=True)

    def note(self, _pod, annotations):
        self.pod["metadata"]["annotations"] |= annotations

    def write(self, text: bytes, after: int = 10**6) -> None:
        self.moment += after
        for line in text.splitlines(keepends=True):
            self.log.pieces.append((self.moment, line))

    def reader(self) -> LogReader:
        return LogReader(self, "ns", self.note)  # type: ignore[arg-type]


def drained(reader: LogReader, api: Api, position: int) -> tuple[bytes, int]:
    data = b""
    while (output := reader.read(api.pod, "main", position)).position > position:
        assert output.position - len(output.data) == position, output.lost
        data, position = data + output.data, output.position
    return data, position


texts = st.lists(
    st.sampled_from([b"a\n", b"half", b"way\rback", b"\n", b"2023-11-14T22:13:20Z is no stamp\n", b"x" * 300 + b"\n"])
)
steps = st.lists(
    st.tuples(texts, st.sampled_from([1, 10**6, 10**9, 5 * 10**9]), st.sampled_from(["go on", "anew", "again"]))
)


@given(steps)
def test_whoever_reads_on_reads_every_byte_once(steps):
    api, written, got, position = Api(), b"", b"", 0
    reader = api.reader()
    logs.MARK_BYTES, before = 100, logs.MARK_BYTES
    try:
        for pieces, after, how in steps:
            for piece in pieces:
                api.write(piece, after)
                written += piece
            if how == "anew":
                reader = api.reader()
            if how == "again" and position:  # what was read last was not stored
                position = max(0, position - 7)
                got = got[:position]
            more, position = drained(reader, api, position)
            got += more
            assert (got, position) == (written, len(written))
    finally:
        logs.MARK_BYTES = before


def test_a_log_that_begins_anew_is_told_and_read_on():
    api = Api()
    reader = api.reader()
    api.write(b"one\ntwo\n")
    _, position = drained(reader, api, 0)
    api.write(b"never read\n")
    api.log.rotate()
    assert reader.read(api.pod, "main", position) == Output(b"", position)
    api.write(b"three\n")
    assert reader.read(api.pod, "main", position) == Output(b"three\n", position + 1 + 6, BEGAN_ANEW)
    assert reader.read(api.pod, "main", position + 7) == Output(b"", position + 7)


def test_a_mark_tells_another_process_where_a_log_that_begins_later_begins(monkeypatch):
    monkeypatch.setattr(logs, "MARK_BYTES", 4)
    api = Api()
    api.write(b"one\ntwo\n")
    _, position = drained(api.reader(), api, 0)
    api.log.rotate()
    api.write(b"three\nfour\n", 10**9)
    assert api.reader().read(api.pod, "main", position) == Output(b"three\nfour\n", 19)
    assert api.reader().read(api.pod, "main", position + 6) == Output(b"four\n", 19)
    assert api.reader().read(api.pod, "main", 3) == Output(b"three\nfour\n", 19, BEGAN_ANEW), "the rest of one, and two"


def test_what_is_longer_than_one_answer_is_read_in_turns(monkeypatch):
    monkeypatch.setattr(logs, "MOST_BYTES", 300)
    api = Api()
    text = b"".join(b"%d\n" % number for number in range(2000))
    api.write(text)
    assert drained(api.reader(), api, 0) == (text, len(text))
    assert drained(api.reader(), api, 700) == (text[700:], len(text))


def test_a_node_that_does_not_answer_is_no_cluster_that_does_not():
    api = Api()
    for error in (
        SilentError("dial tcp 10.0.0.1:10250: i/o timeout", 500),
        DeniedError("read", 400, "BadRequest", "ContainerCreating"),
    ):
        api.error = error
        assert api.reader().read(api.pod, "main", 5) == Output(b"", 5)
    api.error = DeniedError("read", 404, "NotFound", "gone")
    assert api.reader().read(api.pod, "main", 5).lost
