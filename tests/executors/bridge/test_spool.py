"""Output that is copied from a cluster, read by the agent's readers."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from executors.bridge.spool import LogSpool, ReportSpool
from workers.runtime.log_reader import Gap, LogReader
from workers.runtime.report_reader import ProgressReader

LIMIT = 800


def read_all(reader: LogReader) -> tuple[bytes, list[Gap]]:
    data, gaps = b"", []
    while (part := reader.read_new()) is not None:
        if isinstance(part, bytes):
            data += part
        else:
            gaps.append(part)
    return data, gaps


def test_what_is_within_the_limit_is_read_as_it_was_printed(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path, LIMIT, 0)
    spool.add(b"one\n", 4)
    spool.add(b"two\n", 8)
    assert read_all(LogReader(tmp_path)) == (b"one\ntwo\n", [])


def test_bytes_that_the_cluster_lost_are_a_gap(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path, LIMIT, 0)
    spool.add(b"one\n", 4)
    spool.add(b"two\n", 108, lost=True)
    assert read_all(LogReader(tmp_path)) == (b"one\ntwo\n", [Gap(100, "cluster")])


def test_another_machine_goes_on_after_what_is_stored(tmp_path: Path) -> None:
    spool = LogSpool(tmp_path, LIMIT, 300)
    assert spool.position == 300
    spool.add(b"two\n", 304)
    assert read_all(LogReader(tmp_path, 300)) == (b"two\n", [])


@given(pieces=st.lists(st.binary(min_size=1, max_size=300), max_size=20), cut=st.integers(0, 20))
def test_of_a_long_log_its_beginning_and_its_end_are_kept(tmp_path_factory, pieces: list[bytes], cut: int) -> None:
    """Whole up to three quarters of the limit; what is missing is told to the byte, also over a new bridge."""
    folder = tmp_path_factory.mktemp("spool")
    spool, printed = LogSpool(folder, LIMIT, 0), b""
    for number, piece in enumerate(pieces):
        if number == cut:
            spool = LogSpool(folder, LIMIT, 0)
        printed += piece
        spool.add(piece, len(printed))
    reader = LogReader(folder)
    reader.end(len(printed))
    data, gaps = read_all(reader)
    missing = sum(gap.missing or 0 for gap in gaps)
    assert len(data) + missing == len(printed)
    assert data.startswith(printed[:600])
    assert printed.endswith(data[600:]) or not missing


def test_a_report_goes_on_where_it_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    spool = ReportSpool(path, 100)
    spool.add(b'{"progress": 0.5}\n', 118)
    reader = ProgressReader(path)
    reader.go_on(offset=100, refused=0, series=reader.series)
    report = reader.read_new()
    assert report is not None
    assert report.progress == 0.5
