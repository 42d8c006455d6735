"""Reading the reports of a command, which may write anything."""

import json

import pytest

from workers.runtime.report_reader import ProgressReader, Report


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.jsonl"


def read(path, content: bytes | str):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    reader = ProgressReader(path)
    return reader.read_new(), reader.refused


def test_a_line_becomes_progress_and_metrics(path):
    report, refused = read(path, '{"progress": 0.4, "loss": 1.2, "epoch": 3, "phase": "warm-up"}\n')
    assert report == Report(0.4, {"loss": 1.2, "epoch": 3, "phase": "warm-up"})
    assert refused == 0


def test_later_lines_win_and_earlier_ones_stay_where_nothing_came_later(path):
    report, _ = read(path, '{"progress": 0.1, "loss": 3}\n{"accuracy": 0.5}\n{"progress": 0.2, "loss": 2}\n')
    assert report == Report(0.2, {"loss": 2, "accuracy": 0.5})


def test_only_new_lines_are_reported(path):
    path.write_text('{"progress": 0.1}\n')
    reader = ProgressReader(path)
    reader.read_new()
    assert reader.read_new() is None
    with path.open("a") as file:
        file.write('{"progress": 0.2}\n')
    assert reader.read_new() == Report(0.2)


def test_a_half_written_line_waits_for_its_other_half(path):
    path.write_text('{"progress": 0.1}\n{"progress"')
    reader = ProgressReader(path)
    assert reader.read_new() == Report(0.1)
    with path.open("a") as file:
        file.write(": 0.9}\n")
    assert (reader.read_new(), reader.refused) == (Report(0.9), 0)


def test_no_file_and_an_empty_one_report_nothing(path):
    reader = ProgressReader(path)
    assert reader.read_new() is None
    path.write_text("\n\n")
    assert (reader.read_new(), reader.refused) == (None, 0)


def test_a_report_written_anew_is_read_from_its_beginning(path):
    path.write_text('{"progress": 0.1, "loss": 1}\n')
    reader = ProgressReader(path)
    reader.read_new()
    path.write_text('{"progress": 0.2}\n')
    assert reader.read_new() == Report(0.2)


@pytest.mark.parametrize("then", ["", "\n", '{"progress": 0.3}', '\n{"progress": 0.3}\n'])
def test_an_object_that_no_line_end_follows_is_reported_at_once_and_only_once(path, then):
    path.write_text('{"loss": 1, "of": "{}"}')
    reader = ProgressReader(path)
    assert reader.read_new() == Report(None, {"loss": 1, "of": "{}"})
    assert reader.offset == path.stat().st_size
    with path.open("a") as file:
        file.write(then)
    assert reader.read_new() == (Report(0.3) if "progress" in then else None)
    assert reader.refused == 0


@pytest.mark.parametrize("anew", ['{"epoch": 8}', '{"epoch": 10}', '{"epoch": 10, "loss": 0.25}\n{"epoch": 10}\n'])
def test_who_writes_his_file_anew_each_time_is_understood_whatever_its_size(path, anew):
    path.write_text('{"epoch": 7}\n{"ep')
    reader = ProgressReader(path)
    reader.read_new()
    path.write_text('{"epoch": 9}')
    reader.read_new()
    path.write_text(anew)
    assert reader.read_new().metrics["epoch"] == json.loads(anew.splitlines()[0])["epoch"]
    assert reader.refused == 0


BROKEN = {
    "no JSON": b"loss=1",
    "a half object": b'{"progress": ',
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "NUL": b"\0\0\0\0",
    "too deep": b"[" * 50_000,
    "a number of 5000 digits": b'{"progress": ' + b"9" * 5000 + b"}",
    "longer than 64 KiB": b'{"text": "' + b"x" * 65536 + b'"}',
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_line_is_counted_and_the_next_one_is_read(path, line):
    report, refused = read(path, line + b'\n{"progress": 0.5}\n')
    assert (report, refused) == (Report(0.5), 1)


def test_an_endless_line_is_never_held_in_memory(path):
    path.write_bytes(b"x" * 3_000_000)
    reader = ProgressReader(path)
    assert [reader.read_new() for _ in range(4)] == [None] * 4
    assert reader._half_line == b""
    with path.open("ab") as file:
        file.write(b'\n{"progress": 1}\n')
    assert (reader.read_new(), reader.refused) == (Report(1.0), 1)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [("0", 0.0), ("1", 1.0), ("40", 1.0), ("-3", 0.0), ("1e999", 1.0), ("-1e999", 0.0), ("0.25", 0.25)],
)
def test_progress_is_held_between_nothing_and_everything(path, written, read_as):
    assert read(path, f'{{"progress": {written}}}\n') == (Report(read_as), 0)


@pytest.mark.parametrize("written", ["NaN", '"half"', "null", "true", "[0.5]"])
def test_progress_that_is_no_number_is_refused_and_the_metrics_stay(path, written):
    assert read(path, f'{{"progress": {written}, "loss": 1}}\n') == (Report(None, {"loss": 1}), 1)


def test_a_loss_that_is_not_a_number_is_shown_as_such(path):
    report, _ = read(path, '{"loss": NaN, "high": Infinity, "low": -Infinity, "huge": 1e999}\n')
    assert report.metrics == {"loss": "NaN", "high": "Infinity", "low": "-Infinity", "huge": "Infinity"}


def test_metrics_that_are_neither_numbers_nor_texts_are_refused(path):
    report, refused = read(path, '{"loss": 1, "list": [1], "object": {}, "nothing": null, "yes": true}\n')
    assert (report.metrics, refused) == ({"loss": 1, "yes": True}, 3)


def test_what_the_database_cannot_store_is_taken_out(path):
    report, _ = read(path, '{"a\\u0000b": "x\\u0000y", "half": "\\ud800", "big": 1' + "0" * 400 + "}\n")
    assert report.metrics == {"ab": "xy", "half": "?", "big": "Infinity"}


def test_names_texts_and_their_number_are_limited(path):
    many = {f"{index:03}" + "n" * 200: "t" * 5000 for index in range(12)} | {f"m{index}": index for index in range(200)}
    report, _ = read(path, json.dumps(many) + "\n")
    assert len(report.metrics) == 100
    assert {len(name) for name in report.metrics if name.endswith("n")} == {100}
    assert len(next(iter(report.metrics.values()))) == 1000


def test_a_checkpoint_is_reported_by_saying_so_and_is_no_metric(path):
    assert read(path, '{"checkpoint": true}\n')[0] == Report(checkpoint=True)
    assert read(path, '{"checkpoint": true, "progress": 0.5}\n{"loss": 1}\n')[0] == Report(0.5, {"loss": 1}, True)


def test_a_checkpoint_s_name_stays_a_metric(path):
    assert read(path, '{"checkpoint": "step-7"}\n')[0] == Report(None, {"checkpoint": "step-7"})
