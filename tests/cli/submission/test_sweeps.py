import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import UsageError
from cli.submission.sweeps import parse_array, parse_sweep

STATES = {
    "state": "completed",
    "done": 2,
    "jobs": 2,
    "counts": {"completed": 2},
    "first_failure": None,
    "name": "w",
    "id": 5,
}
FAILED = {**STATES, "state": "failed", "counts": {"completed": 1, "failed": 1},
          "first_failure": {"job": 8, "name": "train 1", "message": "", "end_reason": "exit_code"}}  # fmt: skip


@pytest.fixture
def taking(connected):
    rows = [{"id": 7, "name": "a", "state": "pending"}, {"id": 8, "name": "b", "state": "pending"}]
    connected.answers("POST", "jobs/batch", {"count": 2, "jobs": rows}, status=201)
    return connected


@pytest.mark.parametrize(
    ("text", "indices", "at_once"),
    [("0-3", (0, 1, 2, 3), None), ("0-99%10", tuple(range(100)), 10), ("7,1,4", (1, 4, 7), None), ("0-20:5", (0, 5, 10, 15, 20), None),
     ("1-3,2-4", (1, 2, 3, 4), None)],
)  # fmt: skip
def test_an_array_is_written_as_for_slurm(text, indices, at_once):
    array = parse_array(text)

    assert (array.indices, array.at_once) == (indices, at_once)


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "0-9:0", "0-9%0", "0-9%", "-5", "1,,2", "1000000000000-2000000000000", "0-999999"]
)
def test_an_array_that_means_nothing_or_too_much_is_refused(text):
    with pytest.raises(UsageError):
        parse_array(text)


def test_a_grid_has_every_combination_once():
    found = parse_sweep(["lr=0.1,0.01", "width=16,64,16"])

    assert found == [
        {"lr": "0.1", "width": "16"}, {"lr": "0.1", "width": "64"}, {"lr": "0.01", "width": "16"}, {"lr": "0.01", "width": "64"},
    ]  # fmt: skip


@given(st.integers(1, 40), st.integers(0, 9))
def test_samples_lie_in_their_ranges_and_the_same_seed_draws_the_same(samples, seed):
    said = ["lr=log:1e-4..1e-1", "width=16..256", "drop=0..0.5", "act=relu,gelu"]

    found = parse_sweep(said, samples=samples, seed=seed)

    assert found == parse_sweep(said, samples=samples, seed=seed)
    assert len(found) == samples
    for point in found:
        assert 1e-4 <= float(point["lr"]) <= 1e-1
        assert 16 <= int(point["width"]) <= 256
        assert 0 <= float(point["drop"]) <= 0.5
        assert point["act"] in ("relu", "gelu")


@given(st.integers(1, 12), st.integers(0, 9))
def test_samples_of_a_grid_are_different_ones_of_it(samples, seed):
    said = ["a=1,2,3", "b=x,y", "c=0,1"]

    found = parse_sweep(said, samples=samples, seed=seed)

    assert len({tuple(point.items()) for point in found}) == samples
    assert all(point in parse_sweep(said) for point in found)


@pytest.mark.parametrize(
    ("said", "samples"),
    [(["lr"], None), (["=1"], None), (["lr="], None), (["lr=1,,2"], None), (["lr=1", "lr=2"], None), (["index=1,2"], None),
     (["1x=2"], None), (["lr=0..1"], None), (["lr=1..0"], 3), (["lr=log:0..1"], 3), (["lr=a..b"], 3), (["lr=0..inf"], 3),
     (["lr=1,2"], 3), (["lr=1,2"], 0), (["lr=0..1"], 10_001), ([f"a{i}=1,2" for i in range(64)], None)],
)  # fmt: skip
def test_a_sweep_that_means_nothing_or_too_much_is_refused(said, samples):
    with pytest.raises(UsageError):
        parse_sweep(said, samples=samples)


def test_each_job_of_a_sweep_has_its_values_in_command_labels_name_and_key(trainyard, taking):
    outcome = trainyard(
        "submit", "--sweep", "lr=0.1,0.01", "--sweep", "out=x", "--key", "k", "--gpus", 1, "--max-running", 1,
        "--", "python", "train.py", "--save={out}-{lr}.pt", "{other}",
    )  # fmt: skip

    body = taking.asked[0].body
    first, second = body["jobs"]
    assert (outcome.code, outcome.out.splitlines()[0].partition(":")[2]) == (0, " 2 jobs submitted, 7 to 8")
    assert first["command"] == ["python", "train.py", "--save=x-0.1.pt", "{other}"]
    assert first["labels"] == {"lr": "0.1", "out": "x"}
    assert first["name"] == "train lr=0.1 out=x"
    assert [first["submission_key"], second["submission_key"]] == ["k-0", "k-1"]
    assert first["env"] == {"TRAINYARD_ARRAY_INDEX": "0", "TRAINYARD_ARRAY_COUNT": "2"}
    assert body["defaults"]["resources"] == {"gpus": 1}
    assert not body["defaults"].keys() & {"name", "command", "submission_key", "workload"}
    assert body["workload"]["max_running"] == 1
    assert body["workload"]["name"].startswith("train-")


def test_a_value_without_a_place_is_added_as_an_option(trainyard, taking):
    trainyard("submit", "--workload", "w", "--sweep", "lr=-1,{width}", "--sweep", "width=4", "python", "train.py")

    assert [job["command"] for job in taking.asked[0].body["jobs"]] == [
        ["python", "train.py", "--lr=-1", "--width=4"],
        ["python", "train.py", "--lr={width}", "--width=4"],
    ]
    assert taking.asked[0].body["workload"] == {"name": "w"}


def test_each_job_of_an_array_knows_its_number(trainyard, taking):
    trainyard("submit", "--array", "3-7:4%1", "--name", "part", "sh", "-c", "echo {index}")

    body = taking.asked[0].body
    assert [(job["name"], job["command"][-1]) for job in body["jobs"]] == [("part 3", "echo 3"), ("part 7", "echo 7")]
    assert [job["env"]["TRAINYARD_ARRAY_INDEX"] for job in body["jobs"]] == ["3", "7"]
    assert body["workload"]["max_running"] == 1


@pytest.mark.parametrize(
    "options",
    [("--array", "0-1", "--sweep", "a=1"), ("--samples", 2), ("--max-running", 2), ("--stop-on-failure",),
     ("--array", "0-1%2", "--max-running", 3), ("--array", "0-1", "--follow")],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused_before_anything_is_sent(trainyard, connected, options):
    outcome = trainyard("submit", *options, "true")

    assert outcome.code == 2
    assert connected.asked == []


@pytest.mark.parametrize(("ends", "code"), [(STATES, 0), (FAILED, 1)])
def test_waiting_for_all_says_whether_all_completed(trainyard, taking, ends, code):
    taking.lists("workloads", {**STATES, "state": "running", "done": 0})
    taking.answers("GET", "workloads/5", ends)

    outcome = trainyard("submit", "--array", "0-1", "--wait", "true")

    assert outcome.code == code
    if code:
        assert "1 of 2 jobs completed; first job 8 train 1: exit_code" in outcome.err


def test_a_workload_may_be_waited_for_later(trainyard, connected):
    connected.answers("GET", "workloads/5", FAILED)

    assert trainyard("workloads", "wait", 5).code == 1


SWEPT = """
defaults:
  command: [python, train.py]
  resources: &gpu {gpus: 1}
sweep:
  lr: [0.1, 1.0e-05]
  fast: [true]
workload: w
"""


def test_a_file_may_hold_a_sweep(trainyard, taking):
    Path("sweep.yaml").write_text(SWEPT)

    outcome = trainyard("batch", "sweep.yaml")

    body = taking.asked[0].body
    assert outcome.code == 0
    assert [job["command"] for job in body["jobs"]] == [
        ["python", "train.py", "--lr=0.1", "--fast=true"],
        ["python", "train.py", "--lr=1e-05", "--fast=true"],
    ]
    assert body["defaults"]["resources"] == {"gpus": 1}
    assert "command" not in body["defaults"]
    assert body["workload"] == "w"


def test_a_file_may_hold_an_array(trainyard, taking):
    Path("a.json").write_text(json.dumps({"defaults": {"command": ["true"]}, "array": "0-1%1", "workload": "w"}))

    trainyard("batch", "a.json")

    assert len(taking.asked[0].body["jobs"]) == 2
    assert taking.asked[0].body["workload"] == {"name": "w", "max_running": 1}


@pytest.mark.parametrize(
    "text",
    ["sweep: {lr: [1]}", "defaults: {command: [a]}\nsweep: {}", "defaults: {command: [a]}\nsweep: {lr: []}",
     "defaults: {command: [a]}\nsweep: {lr: [1]}\njobs: []", "defaults: {command: [a]}\nsweep: {lr: 0..1}",
     "defaults: {command: [a], command: [b]}\nsweep: {lr: [1]}", "jobs: [", "defaults: {command: [a]}\narray: 0-1\nsweep: {lr: [1]}",
     "defaults: {command: [a]}\nsweep: {lr: [1]}\nseed: x", "{[1]: 2}"],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_refused_by_its_name(trainyard, connected, text):
    Path("s.yaml").write_text(text)

    outcome = trainyard("batch", "s.yaml")

    assert outcome.code == 2
    assert connected.asked == []
