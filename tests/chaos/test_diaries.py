"""What a job of the drill writes down is read back as what it did."""

import os
import subprocess
import sys

import pytest

from chaos import diaries
from chaos.workload import SCRIPT, Kind


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "diaries"
    made.mkdir()
    return made


@pytest.fixture
def run(tmp_path, folder):
    """Runs one job of the drill to its end, in an environment as the platform gives it."""

    def start(kind: Kind, attempt: int = 1) -> subprocess.CompletedProcess[bytes]:
        (tmp_path / "work").mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "TRAINYARD_JOB_ID": "7",
            "TRAINYARD_ATTEMPT": str(attempt),
            "TRAINYARD_CHECKPOINT_DIR": str(tmp_path),
            "TRAINYARD_REPORT": str(tmp_path / "report"),
            "CUDA_VISIBLE_DEVICES": "0,1",
        }
        command = [sys.executable, "-S", "-I", str(SCRIPT), kind, "0.1", str(folder), "0.05"]
        return subprocess.run(command, env=environment, cwd=tmp_path / "work", capture_output=True, check=False)

    return start


def test_a_run_tells_who_it_was_what_it_saw_and_how_it_ended(run, folder):
    done = run(Kind.STEADY)

    [told] = diaries.read(folder)
    assert (told.job_id, told.attempt, told.rank, told.gpus) == (7, 1, 0, ("0", "1"))
    assert (told.code, told.lines) == (done.returncode, 4) == (0, 4)
    assert done.stdout == b"7.1.0 1\n7.1.0 2\n7.1.0 3\n7.1.0 4\n"
    assert told.began < told.last


@pytest.mark.parametrize(
    "kind", [kind for kind in Kind if kind != Kind.DAEMON]
)  # nobody here ends what that one leaves
def test_every_kind_ends_as_it_should(run, kind):
    assert run(kind).returncode == (3 if kind in (Kind.FAILING, Kind.FLAKY) else 0)


def test_a_flaky_job_fails_once_and_a_checkpointing_one_goes_on(run, folder):
    assert [run(Kind.FLAKY).returncode for _ in range(2)] == [3, 0]
    run(Kind.CHECKPOINTING)
    run(Kind.CHECKPOINTING, attempt=2)

    assert diaries.read(folder)[-1].first_tick == 2


def test_the_diary_of_a_killed_run_counts_up_to_its_last_whole_line(tmp_path):
    (tmp_path / "7.1.0.99").write_text("start 10.0 - 0\nbeat 10.5\nbeat 11.")

    [told] = diaries.read(tmp_path)

    assert (told.last, told.code, told.gpus) == (10.5, None, ())


def test_what_a_run_left_behind_counts_as_the_run(tmp_path):
    (tmp_path / "7.1.0.99").write_text("start 10.0 - 0\nend 11.0 0 4\n")
    (tmp_path / "7.1.0.100.daemon").write_text("beat 12.5\n")

    assert diaries.read(tmp_path)[0].last == 12.5
