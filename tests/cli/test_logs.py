import json

import pytest

from tests.cli.rows import completed, job, running
from tests.cli.yard import Answer

END = 'event: end\ndata: {"attempt": 1, "state": "completed"}\n\n'


def piece(offset, text, *, size=None, complete=False):
    next_offset = offset + (size or len(text.encode()))
    return {"attempt": 1, "offset": offset, "next_offset": next_offset, "text": text, "complete": complete}


def event(offset, text, **more):
    return f"data: {json.dumps(piece(offset, text, **more))}\n\n"


def raw(data):
    return Answer(headers={"Content-Type": "text/plain"}, pieces=[data])


def asked_for_logs(yard):
    return [asked for asked in yard.asked if asked.path.endswith("/logs")]


def test_what_was_written_is_printed_byte_for_byte(connected, capfdbinary):
    from cli.main import main

    connected.says("GET", "jobs/17/logs", raw(b"one\n\xff\x00\x1b[1mtwo\r"))

    with pytest.raises(SystemExit) as end:
        main(["logs", "17"])

    assert (end.value.code, capfdbinary.readouterr().out) == (0, b"one\n\xff\x00\x1b[1mtwo\r")


def test_an_earlier_attempt_can_be_asked_for(trainyard, connected):
    connected.says("GET", "jobs/17/logs", raw(b"one\n"))

    assert trainyard("logs", 17, "--attempt", 1).out == "one\n"
    assert asked_for_logs(connected)[0].query["attempt"] == ["1"]


def test_one_node_of_several_can_be_asked_for(trainyard, connected):
    connected.says("GET", "jobs/17/logs", raw(b"one\n"))

    assert trainyard("logs", 17, "--rank", 1).out == "one\n"
    assert asked_for_logs(connected)[0].query["rank"] == ["1"]


def test_an_empty_log_says_so(trainyard, connected):
    connected.says("GET", "jobs/17/logs", raw(b""))

    outcome = trainyard("logs", 17)

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "job 17 has written nothing yet\n")


def test_json_is_the_whole_text(trainyard, connected):
    connected.answers("GET", "jobs/17/logs", piece(0, "one\n"), piece(4, "two\n"), piece(8, ""))

    assert json.loads(trainyard("logs", 17, "--json").out) == {**piece(0, "one\ntwo\n"), "next_offset": 8}


def test_following_prints_what_comes_until_the_job_is_over(trainyard, connected):
    connected.answers("GET", "jobs/17", running(17), completed(17))
    connected.streams("jobs/17/logs", ": here\n\n", event(0, "one\n"), event(4, "zwö\n"), END)

    outcome = trainyard("logs", 17, "-f")

    assert (outcome.code, outcome.out) == (0, "one\nzwö\n")


def test_a_lost_connection_goes_on_where_it_was_cut(trainyard, connected):
    connected.answers("GET", "jobs/17", completed(17))
    connected.streams("jobs/17/logs", event(0, "one\n"), event(4, "two\n")[:20])
    connected.streams("jobs/17/logs", event(4, "two\n"), END)

    outcome = trainyard("logs", 17, "-f")

    assert outcome.out == "one\ntwo\n"
    assert [asked.query["offset"] for asked in asked_for_logs(connected)] == [["0"], ["4"]]


def test_no_byte_is_printed_twice(trainyard, connected):
    connected.answers("GET", "jobs/17", completed(17))
    connected.streams("jobs/17/logs", event(0, "one\n"), event(0, "one\n"), event(4, "two\n"), END)

    assert trainyard("logs", 17, "-f").out == "one\ntwo\n"


def test_where_streams_do_not_work_the_log_is_asked_for_again_and_again(trainyard, connected):
    connected.answers("GET", "jobs/17", completed(17))
    connected.refuses("GET", "jobs/17/logs", 503, "Too many logs are being followed.")
    connected.answers("GET", "jobs/17/logs", piece(0, "one\n"), piece(4, "two\n", complete=True))

    outcome = trainyard("logs", 17, "-f")

    assert (outcome.code, outcome.out) == (0, "one\ntwo\n")


def test_following_prints_bytes_that_are_no_text_as_they_are(connected, capfdbinary):
    from cli.main import main

    connected.answers("GET", "jobs/17", completed(17))
    connected.streams("jobs/17/logs", event(0, "\ufffdone", size=4), END)
    connected.says("GET", "jobs/17/logs", raw(b"\xffone"))

    with pytest.raises(SystemExit):
        main(["logs", "17", "-f"])

    assert capfdbinary.readouterr().out == b"\xffone"


def test_following_goes_on_with_the_next_attempt(trainyard, connected):
    connected.answers("GET", "jobs/17", running(17), running(17, attempt=2), completed(17, attempt=2))
    connected.streams("jobs/17/logs", event(0, "one\n"), END)
    connected.streams("jobs/17/logs", event(0, "two\n"), END)

    outcome = trainyard("logs", 17, "-f")

    assert outcome.out == "one\ntwo\n"
    assert outcome.err == "--- attempt 2 ---\n"


def test_following_a_job_that_waits_says_why_it_waits(trainyard, connected):
    waits = job(17, reasons=[{"code": "gpus", "sentence": "No GPU is free."}])
    connected.answers("GET", "jobs/17", waits, completed(17))
    connected.streams("jobs/17/logs", event(0, "one\n"), END)

    outcome = trainyard("logs", 17, "-f")

    assert outcome.out == "one\n"
    assert "job 17 pending: No GPU is free." in outcome.err


def test_a_job_that_never_ran_has_nothing_to_follow(trainyard, connected):
    connected.answers("GET", "jobs/17", job(17, state="cancelled"))

    assert trainyard("logs", 17, "-f").code == 0
    assert asked_for_logs(connected) == []


def test_only_the_last_lines_are_printed(trainyard, connected):
    data = b"".join(b"line %d\n" % n for n in range(1, 101))
    connected.answers("GET", "jobs/17/logs", piece(0, "line"))
    connected.says("GET", "jobs/17/logs", raw(data))
    connected.says("GET", "jobs/17/logs", raw(b"line 99\nline 100\n"))

    assert trainyard("logs", 17, "--tail", 2).out == "line 99\nline 100\n"
    assert asked_for_logs(connected)[0].query["offset"] == ["-16384"]
    assert asked_for_logs(connected)[2].query["offset"] == [str(len(data) - 17)]


def test_following_begins_with_the_last_lines(trainyard, connected):
    connected.answers("GET", "jobs/17", running(17), completed(17))
    connected.answers("GET", "jobs/17/logs", piece(0, "one"))
    connected.says("GET", "jobs/17/logs", raw(b"one\ntwo\n"))
    connected.streams("jobs/17/logs", event(4, "two\n"), event(8, "three\n"), END)

    assert trainyard("logs", "-f", 17, "--tail", 1).out == "two\nthree\n"


@pytest.mark.parametrize(
    ("data", "lines", "kept"),
    [(b"a\nb\n", 1, b"b\n"), (b"a\nb", 1, b"b"), (b"a\nb\n", 0, b""), (b"a\n", 5, b"a\n"), (b"", 3, b""), (b"\n\n", 1, b"\n")],
)  # fmt: skip
def test_lines_are_counted_from_the_end(data, lines, kept):
    from trainyard.http.log_stream import beginning_of_last

    assert data[beginning_of_last(data, lines) :] == kept
