from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.options.job import JobOptions
from cli.submission.job_names import name_of
from cli.submission.job_request import job_request

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def request(command=("python", "train.py"), environ=None, **options):
    return job_request(list(command), JobOptions(**options), environ=environ or {}, now=NOON)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python train.py --lr 0.1", "train"),
        ("/usr/bin/python3.11 -u src/train.py", "train"),
        ("python -m pkg.train", "pkg.train"),
        ("torchrun --standalone main.py", "main"),
        ("python -c print(1)", "python"),
        ("python", "python"),
        ("./run.sh fast", "run.sh"),
        ("nvidia-smi", "nvidia-smi"),
    ],
)
def test_a_job_is_named_after_its_script(command, name):
    assert name_of(command.split()) == name


def test_what_was_left_open_is_left_to_the_server():
    assert request() == {
        "name": "train",
        "project": "default",
        "command": ["python", "train.py"],
        "working_dir": str(Path.cwd()),
    }


def test_hardware_is_asked_for_together():
    asked = request(gpus=2, gpu_model="h100", memory_gb=16.0)

    assert asked["resources"] == {"gpus": 2, "gpu_model": "h100", "memory_gb": 16.0}


def test_a_dependency_is_a_number_or_a_key_and_how_it_has_to_end():
    assert request(after=["7", "8:any", "nightly", "a:b", "k:failed"])["depends_on"] == [
        7, {"job": 8, "after": "any"}, "nightly", "a:b", {"job": "k", "after": "failed"},
    ]  # fmt: skip
    assert request(on_dependency_failure="wait")["on_dependency_failure"] == "wait"


def test_nodes_are_asked_for_by_their_labels():
    assert request(node_label=["zone=a", "disk=ssd"])["resources"] == {"node_labels": {"zone": "a", "disk": "ssd"}}


def test_zero_is_not_left_open():
    assert request(gpus=0, retries=0)["resources"] == {"gpus": 0}
    assert request(gpus=0, retries=0)["max_retries"] == 0


def test_times_are_sent_as_the_server_counts_them():
    asked = request(time="2h", estimate="30m", stall="90", deadline="+1d")

    assert (asked["max_runtime_seconds"], asked["estimated_runtime_seconds"], asked["stall_seconds"]) == (
        7200,
        1800,
        90,
    )
    assert asked["deadline"] == "2030-01-02T12:00:00+00:00"


@pytest.mark.parametrize("option", ["time", "estimate", "stall", "deadline"])
def test_a_time_that_is_none_names_its_option(option):
    with pytest.raises(UsageError, match=f"--{option}: 'soon' is not a"):
        request(**{option: "soon"})


@pytest.mark.parametrize(("typed", "sent"), [("90", 90), ("-1", -1), ("urgent", "urgent"), ("p0", "p0"), (None, None)])
def test_a_priority_is_a_number_or_a_word_of_the_servers(typed, sent):
    assert request(priority=typed).get("priority") == sent


def test_a_variable_alone_takes_its_value_from_here():
    asked = request(env=["LR=0.1", "EMPTY=", "EQ=a=b", "TOKEN"], environ={"TOKEN": "t"})

    assert asked["env"] == {"LR": "0.1", "EMPTY": "", "EQ": "a=b", "TOKEN": "t"}


def test_a_variable_that_is_not_here_is_refused():
    with pytest.raises(UsageError, match="--env TOKEN: there is no TOKEN in your environment"):
        request(env=["TOKEN"])


@pytest.mark.parametrize("label", ["team", "=vision"])
@pytest.mark.parametrize("option", ["label", "node_label"])
def test_a_label_needs_a_name_and_a_value(label, option):
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} {label}: write NAME=VALUE"):
        request(**{option: [label]})


def test_the_working_folder_is_sent_in_full():
    assert request(working_dir=Path("data"))["working_dir"] == str(Path.cwd() / "data")


def test_flags_are_sent_when_they_were_set():
    asked = request(checkpointable=True, no_preempt=True)

    assert (asked["checkpointable"], asked["preemptible"]) == (True, False)
