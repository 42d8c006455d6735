"""Traces are read as they are meant, or refused with the line and what would be right."""

import gzip
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.reading import read_trace
from simulator.trace import TraceError

HEADER = "job_id,submit_s,duration_s,nodes,gpus,cpus,mem_gb,user,group,priority,requested_walltime_s,status\n"
SWF = "; Version: 2\n;MaxProcs: 100\n\n  1 0 5 60 4 -1 -1 8 120 -1 1 3 7 -1 1 -1 -1 -1\n"


def test_a_csv_job_has_all_that_its_line_says(written):
    path = written(HEADER + "a7,5,60,2,8,16,4.5,ann,vision,90,120,completed\n")

    [job] = read_trace(path).jobs

    assert (job.id, job.line, job.submit_s, job.run_s, job.walltime_s) == ("a7", 2, 5, 60, 120)
    assert (job.nodes, job.gpus, job.gpu_milli, job.cpus, job.memory_mb) == (2, 8, 1000, 16, 4608)
    assert (job.user, job.group, job.priority) == ("ann", "vision", 90)


def test_a_deadline_is_in_seconds_from_the_start_of_the_trace(written):
    [due, free] = read_trace(written("job_id,submit_s,duration_s,cpus,deadline_s\na,5,9,1,600\nb,5,9,1,\n")).jobs

    assert (due.deadline_s, free.deadline_s) == (600, None)


def test_empty_cells_are_unknown(written):
    [job] = read_trace(written(HEADER + "a,0,,,,1,,,,,,\n")).jobs

    assert (job.run_s, job.walltime_s, job.nodes, job.gpus, job.user, job.priority) == (None, None, 1, 0, "", None)


def test_a_part_of_a_gpu_is_kept_in_thousandths(written):
    [job] = read_trace(written("job_id,submit_s,duration_s,gpus\na,0,9,0.25\n")).jobs

    assert (job.gpus, job.gpu_milli) == (1, 250)


def test_a_job_is_as_wide_as_its_cpus_or_where_there_are_none_its_gpus(written):
    first, second = read_trace(written("job_id,submit_s,duration_s,cpus,gpus\na,0,9,4,2\nb,0,9,,2\n")).jobs

    assert (first.width, second.width) == (4, 2)


def test_a_csv_job_without_a_run_time_never_started(written):
    first, second = read_trace(written("job_id,submit_s,duration_s,cpus\na,0,,4\nb,0,0,4\n")).jobs

    assert (first.never_started, second.never_started) == (True, False)


def test_a_swf_job_has_what_its_line_says(written):
    [job] = read_trace(written(SWF)).jobs

    assert (job.id, job.line, job.submit_s, job.run_s, job.walltime_s) == ("1", 4, 0, 60, 120)
    assert (job.user, job.group) == ("3", "7")


@pytest.mark.parametrize("text", [SWF, HEADER + "a,0,9,,,1,,,,,,\n"], ids=["swf", "csv"])
def test_compressed_files_are_read_whatever_their_name(written, text):
    assert read_trace(written(gzip.compress(text.encode(), mtime=0))) == read_trace(written(text))


def test_a_mark_at_the_start_of_a_file_does_no_harm(written):
    assert len(read_trace(written("\ufeff" + HEADER + "a,0,9,,,1,,,,,,\n")).jobs) == 1


def swf_line(number, submit, user="3"):
    return f"{number} {submit} 5 60 4 -1 -1 8 120 -1 1 {user} 7 -1 1 -1 -1 -1\n"


def csv_line(number, submit, user="ann"):
    return f"{number},{submit},60,,,4,,{user},,,,\n"


@pytest.mark.parametrize(("header", "line"), [("", swf_line), (HEADER, csv_line)], ids=["swf", "csv"])
@pytest.mark.parametrize(
    ("submits", "order", "moved"),
    [
        ((5, 7, 7), ("0", "1", "2"), 0),
        ((7, 5, 6), ("1", "2", "0"), 1),
        ((9, 5, 5, 9, 1), ("4", "1", "2", "0", "3"), 2),
    ],
)
def test_lines_out_of_order_are_sorted_and_those_of_one_moment_stay_as_they_were(
    written, header, line, submits, order, moved
):
    trace = read_trace(written(header + "".join(line(number, submit) for number, submit in enumerate(submits))))

    assert tuple(job.id for job in trace.jobs) == order
    assert trace.out_of_order == moved


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_lines_that_are_sorted_already_are_all_in_order(submits):
    with NamedTemporaryFile("w") as file:
        file.writelines(swf_line(number, submit) for number, submit in enumerate(sorted(submits)))
        file.flush()

        assert read_trace(Path(file.name)).out_of_order == 0


@pytest.mark.parametrize(
    "text",
    [
        "; made by hand, and with a comma\n" + swf_line(1, 0),
        "\n;\n; job_id,submit_s,duration_s,cpus\n" + swf_line(1, 0),
        swf_line(1, 0).rstrip() + " 2,5 nodes,a\n",
        swf_line(1, 0, user="smith,j"),
    ],
    ids=["comment", "our columns in a comment", "behind the fields", "in a field"],
)
def test_a_comma_makes_no_csv_of_swf(written, text):
    assert [job.width for job in read_trace(written(text, "trace.csv")).jobs] == [8]


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "compressed"])
def test_comments_may_be_in_latin_1(written, packed):
    text = "; Computer: SP2 in Zürich\n" + swf_line(1, 0) + "; Grüße\n" + swf_line(2, 0)

    assert [job.line for job in read_trace(written(packed(text.encode("latin-1")))).jobs] == [2, 4]


def test_a_csv_is_one_whatever_its_name(written):
    assert [job.width for job in read_trace(written(HEADER + csv_line(1, 0), "trace.swf")).jobs] == [4]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "a,-5,9,,,1,,,,,,\n", "line 2: submit_s is -5: write 0 or more"),
        (HEADER + "a,0,-9,,,1,,,,,,\n", "line 2: duration_s is -9: write 0 or more"),
        (HEADER + "a,0,9,,,one,,,,,,\n", "line 2: cpus is 'one': write a number"),
        (HEADER + "a,0,1_0,,,1,,,,,,\n", "line 2: duration_s is '1_0': write a number"),
        (HEADER + "a,0,inf,,,1,,,,,,\n", "line 2: duration_s is 'inf': write a number"),
        (HEADER + "a,,9,,,1,,,,,,\n", "line 2: submit_s is empty: write seconds"),
        (HEADER + "a,0,9\n", "line 2: does not have as many fields as the header line"),
        (HEADER + "a,0,9,,,1,,,,,,,,\n", "line 2: does not have as many fields as the header line"),
        ("job_id,cpus\n", "line 1: has no column submit_s, duration_s. The columns are: job_id submit_s"),
        ("job_id,submit_s,duration_s\n", "line 1: has no column cpus or gpus."),
        (HEADER, "has no jobs"),
        ("", "has no jobs"),
        ("1 2 3\n", "line 1: has 3 fields: a line of the Standard Workload Format has 18"),
        (SWF.replace(" 60 ", " sixty "), "line 4: the run time is 'sixty': write a number, or -1"),
        (SWF.replace(" 60 ", " -60 "), "line 4: the run time is -60: write 0 or more, or -1 for unknown"),
        (SWF.replace("  1 0 5", "  1 -1 5"), "line 4: the submit time is unknown (-1)"),
        (gzip.compress(SWF.encode(), mtime=0)[:-9], "is a damaged gzip file"),
        (
            "id submit run\n",
            "line 1: is neither SWF, which begins with `;` or a number, nor our CSV, which begins with",
        ),
        ("job_id;submit_s;duration_s\n", "line 1: is neither SWF"),
        ("a,0,9,1\n", "line 1: has no column job_id, submit_s, duration_s. The columns are: job_id"),
        ("0,9,1\n", "line 1: has no column job_id, submit_s, duration_s. The columns are: job_id"),
        (b"\xff\xfe,\n", "line 1: is no text in UTF-8 (byte 0xff): save it as UTF-8."),
        (b"\x89PNG\n", "line 1: is no text in UTF-8 (byte 0x89)"),
        (HEADER.encode() + b"a,0,9,,,1,,M\xfcller,,,,\n", "line 2: is no text in UTF-8 (byte 0xfc)"),
        (SWF.encode() + swf_line(2, 9, user="M\xfcller").encode("latin-1"), "line 5: is no text in UTF-8 (byte 0xfc)"),
        (HEADER + 'a,"0\n', "is no CSV"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_would_be_right(written, text, said):
    path = written(text)

    with pytest.raises(TraceError) as refused:
        read_trace(path)

    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TraceError, match=r"nothing.csv: cannot be read: No such file"):
        read_trace(tmp_path / "nothing.csv")
