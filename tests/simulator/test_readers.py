"""Traces are read as they are meant, or refused with the line and what would be right."""

import gzip

import pytest

from simulator.reading import read_trace
from simulator.trace import TraceError

HEADER = "job_id,submit_s,duration_s,nodes,gpus,cpus,mem_gb,user,group,priority,requested_walltime_s,status\n"
SWF = "; Version: 2\n;MaxProcs: 100\n\n  1 0 5 60 4 -1 -1 8 120 -1 1 3 7 -1 1 -1 -1 -1\n"


@pytest.fixture
def written(tmp_path):
    def write(text, name="trace"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_csv_job_has_all_that_its_line_says(written):
    path = written(HEADER + "a7,5,60,2,8,16,4.5,ann,vision,90,120,completed\n")

    [job] = read_trace(path)

    assert (job.id, job.line, job.submit_s, job.run_s, job.walltime_s) == ("a7", 2, 5, 60, 120)
    assert (job.nodes, job.gpus, job.gpu_milli, job.cpus, job.memory_mb) == (2, 8, 1000, 16, 4608)
    assert (job.user, job.group, job.priority) == ("ann", "vision", 90)


def test_a_deadline_is_in_seconds_from_the_start_of_the_trace(written):
    [due, free] = read_trace(written("job_id,submit_s,duration_s,cpus,deadline_s\na,5,9,1,600\nb,5,9,1,\n"))

    assert (due.deadline_s, free.deadline_s) == (600, None)


def test_empty_cells_are_unknown(written):
    [job] = read_trace(written(HEADER + "a,0,,,,1,,,,,,\n"))

    assert (job.run_s, job.walltime_s, job.nodes, job.gpus, job.user, job.priority) == (None, None, 1, 0, "", None)


def test_a_part_of_a_gpu_is_kept_in_thousandths(written):
    [job] = read_trace(written("job_id,submit_s,duration_s,gpus\na,0,9,0.25\n"))

    assert (job.gpus, job.gpu_milli) == (1, 250)


def test_a_job_is_as_wide_as_its_cpus_or_where_there_are_none_its_gpus(written):
    first, second = read_trace(written("job_id,submit_s,duration_s,cpus,gpus\na,0,9,4,2\nb,0,9,,2\n"))

    assert (first.width, second.width) == (4, 2)


def test_a_swf_job_has_its_allocated_processors(written):
    [job] = read_trace(written(SWF))

    assert (job.id, job.line, job.submit_s, job.run_s, job.walltime_s, job.width) == ("1", 4, 0, 60, 120, 4)
    assert (job.user, job.group) == ("3", "7")


def test_without_allocated_processors_a_swf_job_has_the_requested_ones(written):
    [job] = read_trace(written(SWF.replace("60 4", "60 -1")))

    assert job.width == 8


@pytest.mark.parametrize("text", [SWF, HEADER + "a,0,9,,,1,,,,,,\n"], ids=["swf", "csv"])
def test_compressed_files_are_read_whatever_their_name(written, text):
    assert read_trace(written(gzip.compress(text.encode(), mtime=0))) == read_trace(written(text))


def test_a_mark_at_the_start_of_a_file_does_no_harm(written):
    assert len(read_trace(written("\ufeff" + HEADER + "a,0,9,,,1,,,,,,\n"))) == 1


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
        (
            HEADER + "a,9,9,,,1,,,,,,\nb,8,9,,,1,,,,,,\n",
            "line 3: job b was submitted at 8, before the job above it (9)",
        ),
        ("job_id,cpus\n", "line 1: has no column submit_s, duration_s. The columns are: job_id submit_s"),
        ("job_id,submit_s,duration_s\n", "line 1: has no column cpus or gpus."),
        (HEADER, "has no jobs"),
        ("", "has no jobs"),
        ("1 2 3\n", "line 1: has 3 fields: a line of the Standard Workload Format has 18"),
        (SWF.replace(" 60 ", " sixty "), "line 4: the run time is 'sixty': write a number, or -1"),
        (SWF.replace(" 60 ", " -60 "), "line 4: the run time is -60: write 0 or more, or -1 for unknown"),
        (SWF.replace("  1 0 5", "  1 -1 5"), "line 4: the submit time is unknown (-1)"),
        (gzip.compress(SWF.encode(), mtime=0)[:-9], "is a damaged gzip file"),
        (b"\xff\xfe,\n", "is no text in UTF-8"),
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
