"""`trainyard simulate` answers without a server, and a bad trace gets a sentence."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

CONTRACT = {
    "policy", "jobs", "mean_wait_s", "p95_wait_s", "max_wait_s", "mean_bounded_slowdown", "utilisation", "makespan_s",
}  # fmt: skip


@pytest.fixture
def trace():
    """Three jobs that fill a pool of four, one after the other."""
    rows = "".join(f"{number},{number * 10},60,4,60\n" for number in range(3))
    Path("trace.csv").write_text(f"job_id,submit_s,duration_s,cpus,requested_walltime_s\n{rows}")
    return "trace.csv"


def test_one_object_a_policy_each_on_its_line_and_nothing_else(trainyard, trace):
    outcome = trainyard("simulate", trace, "--pool", 4, "--policy", "fifo", "--policy", "priority", "--json")

    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert (outcome.code, outcome.err) == (0, "")
    assert [row["policy"] for row in rows] == ["fifo", "priority"]
    assert all(row.keys() >= CONTRACT for row in rows)
    assert (rows[0]["mean_wait_s"], rows[0]["max_wait_s"], rows[0]["makespan_s"]) == (50, 100, 180)


def test_the_table_has_a_line_a_policy_and_says_what_was_done_to_the_trace(trainyard, trace):
    outcome = trainyard("simulate", trace, "--pool", 4, "--policy", "fifo", "--policy", "priority")

    assert [line.split()[0] for line in outcome.out.splitlines()] == ["POLICY", "fifo", "priority"]
    assert "1m 40s" in outcome.out
    assert outcome.err == "trace.csv: 3 jobs read.\n"


def test_no_file_is_needed(trainyard):
    first, again, other = (trainyard("simulate", f"synthetic:30:{seed}", "--json").out for seed in (1, 1, 2))

    assert json.loads(first)["jobs"] == 30
    assert first == again != other.replace(":2", ":1")


def test_windows_are_cut_from_the_trace(trainyard, trace):
    outcome = trainyard("simulate", trace, "--pool", 4, "--window", "0:1", "--window", "1:2", "--json")

    row = json.loads(outcome.out)
    assert (row["windows"], row["jobs"], row["mean_wait_s"]) == (2, 3, 12.5)


def test_pictures_are_put_into_the_folder(trainyard, trace):
    assert trainyard("simulate", trace, "--pool", 4, "--plots", "pictures/new").code == 0
    assert {path.suffix for path in Path("pictures/new").iterdir()} == {".png"}


def swf(*lines, header="; MaxProcs: 4\n"):
    """A log in SWF of (submit, run, processors) rows."""
    rows = (
        f"{number} {submit} -1 {run} -1 -1 -1 {width} 90 -1 1 -1 -1 -1 -1 -1 -1 -1\n"
        for number, (submit, run, width) in enumerate(lines, start=1)
    )
    Path("log.swf").write_text(header + "".join(rows))
    return "log.swf"


def test_a_log_of_the_archive_is_read_as_it_comes_and_what_was_done_to_it_is_said(trainyard):
    log = swf((10, 60, 4), (0, 60, 4), (20, -1, -1), (30, 60, 9))

    outcome = trainyard("simulate", log, "--too-wide", "drop")

    assert (outcome.code, outcome.out.splitlines()[1].split()[:4]) == (0, ["fifo", "easy", "2", "25s"])
    assert outcome.err == (
        "log.swf: 4 jobs read: 1 dropped that never started, 1 dropped that are too wide for the cluster; "
        "lines out of order, now sorted by the time of submission: 1; "
        "a pool of 4 processors, as MaxProcs in its header says.\n"
    )


def test_a_program_is_told_what_was_done_to_the_trace(trainyard):
    row = json.loads(
        trainyard("simulate", swf((10, 60, 4), (0, 60, 4), (30, 60, 9)), "--too-wide", "drop", "--json").out
    )

    assert (row["cluster_size"], row["cleaning"]["read"], row["cleaning"]["too_wide"]) == (4, 3, 1)
    assert (row["cleaning"]["out_of_order"], row["jitter"]) == (1, None)


def test_where_nobody_knows_the_users_there_is_a_dash_for_fairness(trainyard):
    log = swf((0, 60, 4))

    assert trainyard("simulate", log).out.splitlines()[1].split()[-1] == "-"
    assert json.loads(trainyard("simulate", log, "--json").out)["fairness"] is None


def test_the_processors_of_a_swf_job_are_those_that_one_asks_for(trainyard):
    Path("log.swf").write_text("1 0 -1 60 2 -1 -1 4 90 -1 1 -1 -1 -1 -1 -1 -1 -1\n")

    assert trainyard("simulate", "log.swf", "--pool", 2).code == 1
    assert trainyard("simulate", "log.swf", "--pool", 2, "--width", "allocated").code == 0


def test_with_jitter_the_middle_and_the_worst_stand_below_and_beside_the_first_policy(trainyard):
    words = ("simulate", "synthetic:40", "--pool", 16, "--policy", "fifo", "--policy", "sjf", "--jitter", 3)

    lines = trainyard(*words).out.splitlines()
    first, second = (json.loads(line)["jitter"] for line in trainyard(*words, "--json").out.splitlines())

    at = lines.index("Each arrival moved by up to a minute, 3 replays:")
    assert [" ".join(re.split(" {2,}", line)[:2]) for line in lines[at + 2 :]] == [
        "fifo median", "fifo worst", "sjf median", "sjf worst", "sjf / fifo median", "sjf / fifo worst",
    ]  # fmt: skip
    assert (first["replays"], first["up_to_s"], first["compared_with"], second["compared_with"]) == (
        3,
        60,
        None,
        "fifo",
    )
    assert first["mean_wait_s"].keys() == {"median", "worst"}
    assert second["mean_wait_s"].keys() == {"median", "worst", "median_ratio", "worst_ratio"}
    assert first["mean_wait_s"]["median"] <= first["mean_wait_s"]["worst"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing.csv", "--pool", 4], 1, "nothing.csv: cannot be read: No such file or directory."),
        (["trace.csv"], 1, "Say how large the cluster is: --pool P"),
        (["trace.csv", "--pool", 3], 1, "trace.csv, line 2: job 0 can never start: it asks for 4"),
        (["trace.csv", "--pool", 3], 1, "or leave such jobs out (--too-wide drop)."),
        (
            ["trace.csv", "--pool", 3, "--too-wide", "drop"],
            1,
            "No job is left to replay: 3 jobs read: 3 dropped that are",
        ),
        (["trace.csv", "--pool", 4, "--window", "0:9"], 1, "ends behind the last job: 3 can be replayed"),
        (["synthetic:none"], 1, "write synthetic:JOBS"),
        (["trace.csv", "--pool", 4, "--policy", "luck"], 2, "--policy: There is no policy 'luck'. Known are: "),
        (["trace.csv", "--pool", 4, "--placement", "luck"], 2, "--placement: There is no strategy 'luck'."),
        (["trace.csv", "--pool", 4, "--preemption", "luck"], 2, "--preemption: There is no strategy 'luck'."),
        (["trace.csv", "--pool", 4, "--bounded-wait", "soon"], 2, "--bounded-wait: 'soon' is not a length of time"),
        (["trace.csv", "--pool", 4, "--missing-walltime", "x"], 2, "--missing-walltime: 'x' is not a length of time"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(trainyard, trace, words, code, said):
    outcome = trainyard("simulate", *words)

    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert said in outcome.err


def test_a_pool_has_at_least_one_processor(trainyard):
    outcome = trainyard("simulate", "synthetic:9", "--pool", 0)

    assert (outcome.code, outcome.out) == (2, "")
    assert "'--pool'" in outcome.err


def test_a_line_that_cannot_be_understood_is_named(trainyard):
    Path("bad.csv").write_text("job_id,submit_s,duration_s,cpus\na,0,9,1\nb,-1,9,1\n")

    outcome = trainyard("simulate", "bad.csv", "--pool", 4)

    assert outcome.code == 1
    assert (
        outcome.err == "error: bad.csv, line 3: submit_s is -1: write 0 or more, or leave it empty if it is unknown.\n"
    )


def test_on_a_terminal_a_bar_shows_how_far_it_is():
    terminal = Terminal("simulate", "synthetic:400", "--policy", "fifo")
    try:
        assert terminal.ended() == 0
        assert "/400" in terminal.written
    finally:
        terminal.close()
